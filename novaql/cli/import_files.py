"""`novaql import`: files and URLs into a database."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import click

import tsdb
from novaql.cli.options import TIME
from novaql.inputs.batch_stream import Progress, no_progress
from novaql.inputs.importer import import_into
from novaql.inputs.layout import Columns
from novaql.inputs.opening import is_url
from novaql.inputs.resolve import default_path

STEPS = 1000


@click.command("import")
@click.argument("sources", nargs=-1, required=True, metavar="PATH|URL...")
@click.option(
    "--data", metavar="DIR", help="The database. Default: $NOVAQL_DATA, else ./novaql-data."
)
@click.option("--name", help="The column with the metric name, or the metric name itself.")
@click.option("--time-column", help="The column with the time. Default: found by name and type.")
@click.option(
    "--value-column", multiple=True, help="The column with the value; repeat for wide files."
)
@click.option("--label-column", multiple=True, help="A label; repeat. Default: every other column.")
@click.option(
    "--time-unit", type=click.Choice(["s", "ms", "us", "ns"]), help="Unit of numeric times."
)
@click.option(
    "--time", "time_", type=TIME, help="Time of text samples that have none. Default: now."
)
def command(
    sources: tuple[str, ...],
    data: str | None,
    name: str | None,
    time_column: str | None,
    value_column: tuple[str, ...],
    label_column: tuple[str, ...],
    time_unit: str | None,
    time_: int | None,
) -> None:
    """Read Parquet, CSV, Prometheus text or OpenMetrics into a database.

    \b
    novaql import metrics.parquet
    novaql import 'dump/*.parquet' --data fleet
    novaql import http://localhost:9100/metrics

    A folder means the metric files in it. Tables hold one row a sample (long form) or one column a
    metric (wide form). A file that cannot be read as a whole leaves the database as it was.
    """
    values = list(value_column)
    columns = Columns(
        time=time_column,
        value=values[0] if len(values) == 1 else values or None,
        labels=list(label_column) or None,
        name=name,
        time_unit=time_unit,  # type: ignore[arg-type]  # click checked the choice
    )
    target = default_path() if data is None else Path(data).expanduser()
    paths = [source for source in sources if not is_url(source)]
    parts = [*([paths] if paths else []), *(source for source in sources if is_url(source))]
    samples, series, files, seconds = 0, 0, 0, 0.0
    with closing(LateDatabase(target)) as database:
        for part in parts:
            with progress_bar() as progress:
                report = import_into(
                    database, part, columns=columns, default_time_ms=time_, progress=progress
                )
            samples, series = samples + report.samples, series + report.series
            files, seconds = files + report.files, seconds + report.seconds
    click.echo(
        f"imported {samples} samples of {series} series from {files} "
        f"{'file' if files == 1 else 'files'} into {target} in {seconds:.1f} s"
        f"{speed_text(samples, seconds)}"
    )


def speed_text(samples: int, seconds: float) -> str:
    """How quick a long import was; nothing of one that spends its time on beginning."""
    if seconds <= 1 or samples < 1_000_000:
        return ""
    return f", {samples / seconds / 1e6:.1f} million a second"


class LateDatabase:
    """A database that is opened, and created, when there is something to put into it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database: tsdb.Database | None = None

    def append(self, batch: tsdb.Batch) -> object:
        return self._opened().append(batch)

    def set_metadata(self, metadata: Mapping[str, tsdb.Metadata]) -> None:
        self._opened().set_metadata(metadata)

    def close(self) -> None:
        if self._database is not None:
            self._database.close()

    def _opened(self) -> tsdb.Database:
        if self._database is None:
            self._database = tsdb.open(self._path)
        return self._database


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """A bar on stderr if a person watches, nothing otherwise."""
    if not sys.stderr.isatty():
        yield no_progress
        return
    from rich.console import Console  # noqa: PLC0415 - slow to load, only for watchers
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    shape = (TextColumn("importing"), BarColumn(), TextColumn("{task.percentage:3.0f} %"))
    with Progress(
        *shape, TimeRemainingColumn(), console=Console(stderr=True), transient=True
    ) as bar:
        task = bar.add_task("importing", total=STEPS)

        def show(done: int, total: int) -> None:
            bar.update(task, completed=STEPS * done / max(1, total))

        yield show
