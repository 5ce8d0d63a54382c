"""`novaql why-empty`: which part of a query has no data."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from novaql import why_empty
from novaql.cli.options import data_argument, data_option, text_argument, time_options, times_of
from novaql.cli.suggest import query_words


@click.command("why-empty")
@click.argument("expr", shell_complete=query_words)
@data_option
@time_options
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text")
@click.pass_context
def command(
    ctx: click.Context,
    expr: str,
    data: tuple[str, ...],
    time_: int | None,
    start: int | str | None,
    end: int | None,
    step: int | None,
    format_: str,
) -> None:
    """Report which part of a query has no data, and the nearest names that have.

    Exit code: 1 if the query has no result. `-` reads the query from standard input.

    \b
    novaql why-empty 'sum(rate(http_request_total[5m]))'
    """
    times = times_of(time_, start, end, step)
    found = why_empty(text_argument(expr), data_argument(data), **times)
    if format_ == "json":
        click.echo(json.dumps(asdict(found), ensure_ascii=False))
    else:
        click.echo(str(found))
    if found.empty:
        ctx.exit(1)
