"""`novaql complete`: completions at a cursor."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from novaql.cli.options import data_argument, data_option, window_options
from novaql.cli.suggest import query_words
from novaql.complete import complete
from novaql.inputs.resolve import as_source


@click.command("complete")
@click.argument("text", shell_complete=query_words)
@click.option("--cursor", type=click.IntRange(0), help="In characters. Default: the end.")
@data_option
@window_options("series with samples")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True)
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text")
def command(
    text: str,
    cursor: int | None,
    data: tuple[str, ...],
    start: int,
    end: int,
    limit: int,
    format_: str,
) -> None:
    """List completions at a cursor in a query, best first.

    \b
    novaql complete 'sum by (job) (rat'
    novaql complete 'up{job="' --data DIR
    """
    found = complete(
        text,
        cursor,
        as_source(data_argument(data)) if data else None,
        start_ms=start,
        end_ms=end,
        limit=limit,
    )
    if format_ == "json":
        click.echo(json.dumps([asdict(completion) for completion in found], ensure_ascii=False))
        return
    for completion in found:
        detail = f"\t{completion.kind}\t{completion.detail}".rstrip()
        click.echo(f"{completion.text}{detail}")
