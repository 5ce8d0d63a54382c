"""`novaql lint`: advice about queries."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from novaql.cli.options import data_argument, data_option, text_argument, window_options
from novaql.cli.suggest import query_words
from novaql.inputs.resolve import as_source
from novaql.lint import Knowledge, Severity, lint


@click.command("lint")
@click.argument("expr", shell_complete=query_words)
@data_option
@window_options("series with samples")
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text")
@click.pass_context
def command(
    ctx: click.Context,
    expr: str,
    data: tuple[str, ...],
    start: int,
    end: int,
    format_: str,
) -> None:
    """Report probable mistakes in a query; `-` reads it from standard input.

    With --data, the command also checks metric types and labels; without, it checks only the text.
    Exit code: 1 if any finding is more severe than an info.

    \b
    novaql lint 'histogram_quantile(0.9, sum(rate(latency_bucket[5m])))'
    """
    known = Knowledge(as_source(data_argument(data)) if data else None, start, end)
    found = lint(text_argument(expr), known)
    if format_ == "json":
        click.echo(json.dumps([asdict(finding) for finding in found], ensure_ascii=False))
    else:
        for finding in found:
            click.echo(str(finding))
    if any(finding.severity is not Severity.INFO for finding in found):
        ctx.exit(1)
