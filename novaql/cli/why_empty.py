"""`novaql why-empty`: which part of a query has no data."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from novaql import why_empty
from novaql.cli.options import DURATION, TIME, data_argument, data_option, text_argument
from novaql.cli.query import times_of


@click.command("why-empty")
@click.argument("expr")
@data_option
@click.option("--time", "time_", type=TIME, help="Evaluate at this time. Default: as `query`.")
@click.option("--start", type=TIME, help="Evaluate over a range from this time …")
@click.option("--end", type=TIME, help="… to this time. Default: as for --time.")
@click.option("--step", type=DURATION, help="Interval between steps. Default: about 240 steps.")
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text")
@click.pass_context
def command(
    ctx: click.Context,
    expr: str,
    data: tuple[str, ...],
    time_: int | None,
    start: int | None,
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
