"""`novaql tsdb`: the blocks of a database, the metrics and labels of its series, and its
samples."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from novaql import tsdb
from novaql.cli.columns import echo_rows
from novaql.cli.failures import note
from novaql.cli.options import FOLDER_OR_PROMETHEUS, window_options
from novaql.export.dump import JSON_LINES, TEXT, LeftOut, dumped
from novaql.inputs.database_folders import is_database
from novaql.inputs.prometheus.folders import is_data_directory
from novaql.inputs.resolve import default_path
from novaql.lazy_exports import lazy_module
from novaql.selectors import matcher_sets
from novaql.text.labels import printable
from novaql.text.times import duration_text, time_text
from novaql.tsdb.index.cardinality import cardinality
from novaql.tsdb.model.matchers import Matcher
from novaql.tsdb.model.read_errors import ReadErrors
from novaql.tsdb.model.source import MIN_TIME_MS, Source

if TYPE_CHECKING:
    from novaql.inputs.prometheus import data_directory
    from novaql.inputs.prometheus.data_directory import DataDirectory
    from novaql.tsdb.database import Database
    from novaql.tsdb.index.cardinality import Cardinality, Count
else:
    data_directory = lazy_module("novaql.inputs.prometheus.data_directory")

directory_argument = click.argument(
    "directory", required=False, metavar="[DIR]", type=FOLDER_OR_PROMETHEUS
)
format_option = click.option(
    "--format", "format_", type=click.Choice(["text", "json"]), default="text"
)
match_option = click.option(
    "--match", "matchers", multiple=True, metavar="SELECTOR", help="Only these series."
)


@click.group("tsdb")
def command() -> None:
    """Inspect a database, also while another process has it open. Changes nothing.

    DIR is the database, by default $NOVAQL_DATA, else ./novaql-data. It may be a data directory of
    Prometheus.
    """


def prometheus_directory(directory: Path | None) -> DataDirectory | None:
    """The data of a Prometheus on disk, as of now; None if the folder is not a data directory of
    Prometheus."""
    place = directory or default_path()
    if is_database(place) or not is_data_directory(place):
        return None
    return data_directory.DataDirectory(place)


def opened(directory: Path | None) -> Database:
    """Opened for reading. Damage is printed to standard error."""
    database = tsdb.open(directory or default_path(), read_only=True)
    for place in database.open_report.damaged:
        note("warning", f"damaged: {place}")
    for place in database.open_report.degraded:
        note("warning", f"damaged without a loss: {place}")
    return database


@command.command("list", short_help="List the blocks, oldest first.")
@directory_argument
@format_option
def list_blocks(directory: Path | None, format_: str) -> None:
    """List the blocks, oldest first, and the samples that are only in the log.

    A flush writes blocks of level 0; each merge adds one level. Blocks older than the retention
    have only rollups, and the last sample of each cell.
    """
    if (theirs := prometheus_directory(directory)) is not None:
        echo_prometheus_blocks(theirs, format_)
        return
    with opened(directory) as database:
        blocks, stats = database.blocks(), database.stats()
    if format_ == "json":
        click.echo(json.dumps([asdict(block) for block in blocks]))
        return
    rows = [
        (
            block.name, str(block.level), time_text(block.first_ms), time_text(block.last_ms),
            str(block.series), str(block.samples), str(block.bytes),
            f"{block.bytes / block.samples:.3f}",
            duration_text(block.downsampled_ms) if block.downsampled_ms else "",
        )
        for block in blocks
    ]  # fmt: skip
    heads = (
        "block", "level", "from", "to", "series", "samples", "bytes", "bytes/sample", "rollups of",
    )  # fmt: skip
    echo_rows([heads, *rows], left=1)
    click.echo(f"in the log alone: {stats.head_samples} samples of {stats.head_series} series")


@command.command("analyze", short_help="Report the metrics and labels with the most series.")
@directory_argument
@match_option
@window_options("series with samples")
@click.option(
    "--limit", type=click.IntRange(1), default=20, show_default=True, help="Entries of each kind."
)
@format_option
def analyze(
    directory: Path | None,
    matchers: tuple[str, ...],
    start: int,
    end: int,
    limit: int,
    format_: str,
) -> None:
    """Report the metrics and labels with the most series, and the churn of series.

    \b
    novaql tsdb analyze --match '{job="api"}' --start -6h
    """
    chosen = matcher_sets(matchers)
    if (theirs := prometheus_directory(directory)) is not None:
        echo_prometheus_series(theirs, (chosen, start, end), limit, format_)
        return
    with opened(directory) as database:
        found = database.cardinality(limit, chosen, start, end)
        stats = database.stats()
        newest = min(end, MIN_TIME_MS if stats.last_ms is None else stats.last_ms)
        width = database.options.block_ms
        alive = len(database.series(chosen, max(start, newest - width), newest))
    if format_ == "json":
        click.echo(json.dumps({**asdict(found), "alive": alive}, ensure_ascii=False))
        return
    samples, size = stats.block_samples, stats.block_bytes
    click.echo(f"{stats.blocks} blocks, {samples} samples in them, {size} bytes", nl=False)
    click.echo(f", {size / samples:.3f} a sample" if samples else "")
    click.echo(f"{found.series} series, {alive} of them in the last {width // 60_000} minutes")
    echo_cardinality(found)


@command.command("dump")
@directory_argument
@match_option
@window_options("series with samples")
@click.option(
    "--format",
    "format_",
    type=click.Choice([TEXT, JSON_LINES]),
    default=TEXT,
    show_default=True,
    help="One sample on each line, or lines that `novaql import` reads.",
)
@click.pass_context
def dump(
    ctx: click.Context,
    directory: Path | None,
    matchers: tuple[str, ...],
    start: int,
    end: int,
    format_: str,
) -> None:
    """Print every sample: series, value, milliseconds since 1970.

    Prints staleness markers as `stale`. Exit code: 0 if it printed every sample of the database, 1
    if it could not read some; it lists these on standard error, and prints the others.

    \b
    novaql tsdb dump --match 'up' --start -1h
    """
    read_errors, left_out = ReadErrors(), LeftOut()
    clean = True
    with ExitStack() as stack:
        source: Source | None = prometheus_directory(directory)
        if source is None:
            source = database = stack.enter_context(opened(directory))
            clean = database.open_report.clean
        for sets in matcher_sets(matchers) or [[]]:
            for lines in dumped(source, sets, start, end, format_, read_errors, left_out):
                sys.stdout.writelines(lines)
    sys.stdout.flush()
    for problem in read_errors.problems():
        note("error", f"{problem.path}: {problem.place}: {problem.reason}; its samples are missing")
    if not clean:
        note("error", "the log is damaged; samples may be missing, see novaql check")
    if left_out.markers:
        note(
            "info", f"{left_out.markers} staleness markers left out: JSON lines have no such thing"
        )
    if left_out.histograms:
        text = "native histograms left out: JSON lines have no such thing; --format text has"
        note("error", f"{left_out.histograms} {text}")
    ctx.exit(0 if clean and not read_errors and not left_out.histograms else 1)


def echo_prometheus_blocks(directory: DataDirectory, format_: str) -> None:
    """The blocks, oldest first, and how many series only the head has."""
    blocks = [(block, _size_of(block.folder)) for block in directory.blocks]
    if format_ == "json":
        found = [{**asdict(block.meta), "bytes": size} for block, size in blocks]
        click.echo(json.dumps(found))
        return
    rows = [
        (
            block.folder.name, str(block.meta.level), time_text(block.first_ms),
            time_text(block.last_ms), str(block.meta.series), str(block.meta.samples), str(size),
            f"{size / block.meta.samples:.3f}" if block.meta.samples else "",
        )
        for block, size in blocks
    ]  # fmt: skip
    heads = ("block", "level", "from", "to", "series", "samples", "bytes", "bytes/sample")
    echo_rows([heads, *rows], left=1)
    head = directory.head
    click.echo(f"in the head: {0 if head is None else len(head.series)} series")


def echo_prometheus_series(
    directory: DataDirectory,
    chosen: tuple[Sequence[Sequence[Matcher]], int, int],
    limit: int,
    format_: str,
) -> None:
    """The metrics and labels with the most series. chosen: matchers, and a range."""
    found = cardinality(directory.series(*chosen), limit)
    if format_ == "json":
        click.echo(json.dumps(asdict(found), ensure_ascii=False))
        return
    samples = sum(block.meta.samples for block in directory.blocks)
    click.echo(f"{len(directory.blocks)} blocks of Prometheus, {samples} samples in them")
    click.echo(f"{found.series} series")
    echo_cardinality(found)


def _size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def echo_cardinality(found: Cardinality) -> None:
    """The metrics and labels with the most series, values, and bytes."""
    click.echo(f"{found.label_pairs} pairs of label and value")
    echo_counts("series by metric", found.series_by_metric)
    echo_counts("values by label", found.values_by_label)
    echo_counts("series by label and value", found.series_by_pair)
    echo_counts("bytes of values by label, counted once a series", found.memory_by_label)


def echo_counts(title: str, counts: Iterable[Count]) -> None:
    click.echo(f"\n{title}")
    echo_rows([(str(one["value"]), printable(str(one["name"]))) for one in counts], left=None)
