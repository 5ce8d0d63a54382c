"""`novaql bench`: how long queries take over the user's own data, in this process."""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, field
from pathlib import Path
from typing import Any

import click

from novaql import cardinality, evaluate, parse, query_options, warmup
from novaql.cli.columns import echo_rows
from novaql.cli.failures import note
from novaql.cli.options import DURATION, TIME, data_argument, data_option, now_ms
from novaql.cli.progress import progress_bar
from novaql.cli.suggest import files
from novaql.errors import NovaqlError
from novaql.fast_dataclass import dataclass
from novaql.inputs.addresses import is_address
from novaql.inputs.resolve import as_source
from novaql.options import QueryOptions
from novaql.rules import read_rule_file
from novaql.text.labels import printable, series_text
from novaql.tsdb.errors import StoreError
from novaql.tsdb.model.labels import METRIC_NAME
from novaql.tsdb.model.source import Bounded, Source

HOUR_MS = 3_600_000
COUNTERS = ("_total", "_count", "_sum", "_bucket")
METRICS = 3
"""The metrics with the most series, which are measured if the caller names no query."""


@dataclass(slots=True)
class Timing:
    """The cost of a query.

    first    seconds of its first run, which decodes the pages that no earlier query has decoded
    seconds  of the later runs
    """

    query: str
    first: float = 0.0
    seconds: list[float] = field(default_factory=list)
    series: int = 0
    samples: int = 0
    error: str = ""

    def plain(self) -> dict[str, Any]:
        """The fields of JSON."""
        if self.error:
            return {"query": self.query, "error": self.error}
        shown = asdict(self) | {"median": statistics.median(self.seconds)}
        del shown["error"]
        return shown


@click.command("bench")
@click.argument("named", nargs=-1, metavar="[DATA]...", shell_complete=files)
@data_option
@click.option("--query", "-q", "texts", multiple=True, help="A query; may be repeated.")
@click.option(
    "--queries",
    "files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file with a query in each line (# begins a comment), or a rule file (.yml, .yaml).",
)
@click.option("--start", type=TIME, help="Default: an hour before the end.")
@click.option("--end", type=TIME, help="Default: the last sample, else now.")
@click.option("--step", type=DURATION, help="Default: about 240 steps.")
@click.option("--rounds", type=click.IntRange(min=1), default=7, show_default=True)
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text")
@click.pass_context
def command(
    ctx: click.Context,
    named: tuple[str, ...],
    data: tuple[str, ...],
    texts: tuple[str, ...],
    files: tuple[Path, ...],
    start: int | None,
    end: int | None,
    step: int | None,
    rounds: int,
    format_: str,
) -> None:
    """Measure how long queries take over your data: a database, files, or Prometheus's directory.

    Each round runs every query once, so that a busy moment of the machine slows all of them. The
    first run of a query decodes what it reads; `median` is that of the later runs. No answers are
    cached. Without --query and --queries, the metrics with the most series are read and summed.
    Exit code: 1 if a query fails.

    \b
    novaql bench novaql-data
    novaql bench novaql-data -q 'sum by (job) (rate(http_requests_total[5m]))'
    novaql bench /var/lib/prometheus --queries alerts.yml --start -6h
    """
    for word in named:
        if _is_query(word):
            raise click.UsageError(
                f"{printable(word)}: there is no such file or folder; a query is given by -q"
            )
    source = as_source(data_argument((*named, *data)))
    queries = [*texts, *(text for file in files for text in queries_of(file))] or usual(source)
    options = _range(source, start, end, step)
    if sys.stderr.isatty():
        click.echo("loading compiled functions; the first time, this takes a minute", err=True)
    warmup()
    timings = measured(queries, source, options, rounds)
    if format_ == "json":
        click.echo(json.dumps([timing.plain() for timing in timings], ensure_ascii=False))
    else:
        _show(timings)
    if any(timing.error for timing in timings):
        ctx.exit(1)


def _is_query(word: str) -> bool:
    """Whether an argument names no data, and is the text of a query."""
    try:
        parse(word)
    except NovaqlError:
        return False
    return not is_address(word) and not os.path.exists(word)


def queries_of(file: Path) -> list[str]:
    """The queries of a file. Raises `FileProblems` for a rule file that is not valid."""
    if file.suffix in (".yml", ".yaml"):
        return [rule.expr for group in read_rule_file(file).groups for rule in group.rules]
    lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def usual(source: Source) -> list[str]:
    """Return two queries for each of the metrics with the most series.

    Raises `click.ClickException` if there is no metric.
    """
    counts = cardinality(source, limit=METRICS).series_by_metric
    if not counts:
        raise click.ClickException("the data has no series")
    found = []
    for name in (str(count["name"]) for count in counts):
        selector = series_text({METRIC_NAME: name})
        if name.endswith(COUNTERS):
            found += [f"sum(rate({selector}[5m]))", f"topk(5, rate({selector}[5m]))"]
        else:
            found += [f"sum({selector})", f"max_over_time({selector}[5m])"]
    return found


def measured(
    queries: Sequence[str], source: Source, options: QueryOptions, rounds: int
) -> list[Timing]:
    """Run every query `1 + rounds` times, in turn. A query that fails is not run again."""
    timings = [Timing(query) for query in queries]
    with progress_bar("measuring") as progress:
        for done in range(rounds + 1):
            for place, timing in enumerate(timings):
                if not timing.error:
                    _run(timing, source, options, first=done == 0)
                progress(done * len(timings) + place + 1, (rounds + 1) * len(timings))
    return timings


def _run(timing: Timing, source: Source, options: QueryOptions, *, first: bool) -> None:
    began = time.perf_counter()
    try:
        result = evaluate(timing.query, source, options)
    except (NovaqlError, StoreError) as problem:
        timing.error = str(problem)
        return
    seconds = time.perf_counter() - began
    if first:
        timing.first = seconds
        timing.series, timing.samples = result.stats.series, result.stats.samples
    else:
        timing.seconds.append(seconds)


def _range(source: Source, start: int | None, end: int | None, step: int | None) -> QueryOptions:
    """The last hour of the data, if the caller names no times."""
    if end is None:
        bounds = source.time_range() if isinstance(source, Bounded) else None
        end = now_ms() if bounds is None else min(bounds[1], now_ms())
    if start is None:
        start = end - HOUR_MS
    if start > end:
        raise click.UsageError("--end is before --start")
    return query_options(
        start=start / 1000, end=end / 1000, step=None if step is None else step / 1000
    )


def _show(timings: Sequence[Timing]) -> None:
    """A table, and the errors of queries below it."""

    def ms(seconds: float) -> str:
        return f"{1000 * seconds:.2f} ms"

    rows = (
        []
        if all(one.error for one in timings)
        else [["first", "median", "fastest", "slowest", "series", "samples", "query"]]
    )
    for one in timings:
        if not one.error:
            times = one.first, statistics.median(one.seconds), min(one.seconds), max(one.seconds)
            counts = f"{one.series:,}", f"{one.samples:,}"
            rows.append([*map(ms, times), *counts, printable(one.query)])
    echo_rows(rows, left=None)
    for one in timings:
        if one.error:
            first, *picture = one.error.splitlines()
            note("error", first)
            for line in picture:
                click.echo(f"  {printable(line)}", err=True)
