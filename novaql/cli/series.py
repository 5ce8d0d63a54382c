"""`novaql series`: label sets."""

from __future__ import annotations

import json
import sys

import click

from novaql.cli.options import data_argument, data_option, window_options
from novaql.inputs.resolve import as_source
from novaql.selectors import matcher_sets
from novaql.text.labels import series_text
from novaql.tsdb.model.source import MAX_TIME_MS, MIN_TIME_MS


@click.command("series")
@click.argument("matchers", nargs=-1, metavar="[SELECTOR]...")
@data_option
@window_options
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text")
@click.option("--count", is_flag=True, help="Print only the number of series.")
def command(
    matchers: tuple[str, ...],
    data: tuple[str, ...],
    start: int | None,
    end: int | None,
    format_: str,
    count: bool,
) -> None:
    """List all series, or those that match any selector, one on each line.

    \b
    novaql series '{job="api"}' --start -1h
    """
    found = as_source(data_argument(data)).series(
        matcher_sets(matchers),
        MIN_TIME_MS if start is None else start,
        MAX_TIME_MS if end is None else end,
    )
    if count:
        click.echo(len(found))
    elif format_ == "json":
        click.echo(json.dumps(found.dicts(), ensure_ascii=False))
    else:
        sys.stdout.writelines(series_text(labels) + "\n" for labels in found)
