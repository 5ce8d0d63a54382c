"""`novaql lint`: advice about queries."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from novaql.cli.options import data_argument, data_option, text_argument, window_options
from novaql.inputs.resolve import as_source
from novaql.lint import Knowledge, Severity, lint
from novaql.tsdb.model.source import MAX_TIME_MS, MIN_TIME_MS


@click.command("lint")
@click.argument("expr")
@data_option
@window_options
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text")
@click.pass_context
def command(
    ctx: click.Context,
    expr: str,
    data: tuple[str, ...],
    start: int | None,
    end: int | None,
    format_: str,
) -> None:
    """Report probable mistakes in a query; `-` reads it from standard input.

    With --data, the command also checks metric types and labels; without, it checks only the text.
    Exit code: 1 if any finding is more severe than an info.

    \b
    novaql lint 'histogram_quantile(0.9, sum(rate(latency_bucket[5m])))'
    """
    known = Knowledge()
    if data:
        known = Knowledge(
            as_source(data_argument(data)),
            MIN_TIME_MS if start is None else start,
            MAX_TIME_MS if end is None else end,
        )
    found = lint(text_argument(expr), known)
    if format_ == "json":
        click.echo(json.dumps([asdict(finding) for finding in found], ensure_ascii=False))
    else:
        for finding in found:
            click.echo(str(finding))
    if any(finding.severity is not Severity.INFO for finding in found):
        ctx.exit(1)
