"""`novaql metrics`: the metrics of some data, and the number of their series."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict

import click

from novaql.cli.columns import echo_rows
from novaql.cli.failures import note
from novaql.cli.options import data_argument, data_option, window_options
from novaql.cli.suggest import query_words
from novaql.diagnosis import selector_hints
from novaql.fast_dataclass import dataclass
from novaql.inputs.resolve import as_source
from novaql.selectors import matcher_sets
from novaql.text.labels import FAMILY_PARTS, printable
from novaql.tsdb.model.labels import METRIC_NAME, SeriesTable
from novaql.tsdb.model.source import Metadata

_UNKNOWN = Metadata()


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. type, help, unit: those of its family, as the data has them."""

    name: str
    type: str
    series: int
    help: str
    unit: str


@click.command("metrics")
@click.argument("matchers", nargs=-1, metavar="[SELECTOR]...", shell_complete=query_words)
@data_option
@window_options("series with samples")
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text")
def command(
    matchers: tuple[str, ...], data: tuple[str, ...], start: int, end: int, format_: str
) -> None:
    """List all metrics, or those of series that match any selector: type, series, help.

    \b
    novaql metrics
    novaql metrics '{job="api"}' --start -1h
    """
    source = as_source(data_argument(data))
    found = metrics_of(source.series(matcher_sets(matchers), start, end), source.metadata())
    if not found:
        for text in selector_hints(matchers, source, start, end):
            note("info", text)
    if format_ == "json":
        click.echo(json.dumps([asdict(metric) for metric in found], ensure_ascii=False))
    elif found:
        heads = ("metric", "type", "series", "help")
        rows = [
            (printable(one.name), one.type, f"{one.series:,}", printable(one.help)) for one in found
        ]
        echo_rows([heads, *rows], left=(0, 1, 3))


def metrics_of(series: SeriesTable, known: Mapping[str, Metadata]) -> list[Metric]:
    """The metrics of some series, by name. Series without a name are not part of any metric."""
    counts = Counter(series.column(METRIC_NAME).texts())
    metrics = []
    for name in sorted(counts.keys() - {""}):
        about = _about(name, known)
        metrics.append(Metric(name, about.type, counts[name], about.help, about.unit))
    return metrics


def _about(name: str, known: Mapping[str, Metadata]) -> Metadata:
    """The metadata of a metric, or of the family that it is a part of."""
    if name in known:
        return known[name]
    for kind, endings in (*FAMILY_PARTS.items(), ("counter", ("_total",))):
        for ending in endings:
            family = known.get(name.removesuffix(ending)) if name.endswith(ending) else None
            if family is not None and family.type == kind:
                return family
    return _UNKNOWN
