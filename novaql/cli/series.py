"""`novaql series`: label sets."""

from __future__ import annotations

import json
import sys

import click

from novaql.cli.failures import note
from novaql.cli.options import data_argument, data_option, window_options
from novaql.cli.suggest import query_words
from novaql.diagnosis import selector_hints
from novaql.inputs.resolve import as_source
from novaql.selectors import matcher_sets
from novaql.text.labels import series_text


@click.command("series")
@click.argument("matchers", nargs=-1, metavar="[SELECTOR]...", shell_complete=query_words)
@data_option
@window_options("series with samples")
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text")
@click.option("--count", is_flag=True, help="Print only the number of series.")
def command(
    matchers: tuple[str, ...],
    data: tuple[str, ...],
    start: int,
    end: int,
    format_: str,
    count: bool,
) -> None:
    """List all series, or those that match any selector, one on each line.

    \b
    novaql series '{job="api"}' --start -1h
    """
    source = as_source(data_argument(data))
    found = source.series(matcher_sets(matchers), start, end)
    if not found:
        for text in selector_hints(matchers, source, start, end):
            note("info", text)
    if count:
        click.echo(len(found))
    elif format_ == "json":
        click.echo(json.dumps(found.dicts(), ensure_ascii=False))
    else:
        sys.stdout.writelines(series_text(labels) + "\n" for labels in found)
