"""`novaql labels`: label names and their values."""

from __future__ import annotations

import json
import sys

import click

from novaql.cli.failures import note
from novaql.cli.options import data_argument, data_option, window_options
from novaql.cli.suggest import label_names
from novaql.diagnosis import label_hint, selector_hints
from novaql.inputs.resolve import as_source
from novaql.selectors import matcher_sets
from novaql.text.labels import printable


@click.command("labels")
@click.argument("name", required=False, shell_complete=label_names)
@click.option(
    "--match", "matchers", multiple=True, metavar="SELECTOR", help="Only labels of these series."
)
@data_option
@window_options("series with samples")
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text")
def command(
    name: str | None,
    matchers: tuple[str, ...],
    data: tuple[str, ...],
    start: int,
    end: int,
    format_: str,
) -> None:
    """List label names, or the values of one label, one on each line.

    \b
    novaql labels
    novaql labels instance --match 'up{job="api"}'
    """
    source, chosen = as_source(data_argument(data)), matcher_sets(matchers)
    if name is None:
        texts = source.label_names(chosen, start, end)
    else:
        texts = source.label_values(name, chosen, start, end)
    if not texts:
        hints = selector_hints(matchers, source, start, end)
        if name is not None and not hints:
            hints = label_hint(name, source)
        for text in hints:
            note("info", text)
    if format_ == "json":
        click.echo(json.dumps(texts, ensure_ascii=False))
    else:
        sys.stdout.writelines(printable(text) + "\n" for text in texts)
