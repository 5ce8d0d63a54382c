"""`novaql import`: files and URLs into a database."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from novaql import tsdb
from novaql.cli.options import FOLDER, TIME, token_option
from novaql.cli.pipes import pipes_as_files
from novaql.cli.progress import progress_bar
from novaql.cli.suggest import files
from novaql.inputs.addresses import is_address, is_url
from novaql.inputs.importer import import_into
from novaql.inputs.read_options import FileKind, FileOptions
from novaql.inputs.resolve import default_path
from novaql.inputs.tables.column_roles import Columns
from novaql.inputs.text.influx import PRECISIONS
from novaql.lazy_exports import lazy_module
from novaql.selectors import matcher_sets
from novaql.text.times import time_text

if TYPE_CHECKING:
    from novaql.inputs import copying
    from novaql.inputs.http import servers
else:  # only addresses need them
    copying = lazy_module("novaql.inputs.copying")
    servers = lazy_module("novaql.inputs.http.servers")


@click.command("import")
@click.argument("sources", nargs=-1, required=True, metavar="PATH|URL...", shell_complete=files)
@click.option(
    "--data",
    metavar="DIR",
    type=FOLDER,
    help="The database. Default: $NOVAQL_DATA, else ./novaql-data.",
    shell_complete=files,
)
@click.option("--name", help="The column with the metric name, or the metric name itself.")
@click.option("--time-column", help="The column with the time. Default: found by name and type.")
@click.option(
    "--value-column", multiple=True, help="The column with the value; repeatable for wide files."
)
@click.option(
    "--label-column", multiple=True, help="A label; repeatable. Default: every other column."
)
@click.option(
    "--time-unit", type=click.Choice(["s", "ms", "us", "ns"]), help="Unit of numeric times."
)
@click.option("--match", "matchers", multiple=True, help="Of a server: only series that match.")
@click.option("--start", type=TIME, help="Of a server: from this time on. Default: its oldest.")
@click.option("--end", type=TIME, help="Of a server: until this time. Default: now.")
@click.option(
    "--time", "time_", type=TIME, help="Time of text samples without a time. Default: now."
)
@click.option(
    "--format",
    "format_",
    type=click.Choice([kind.value for kind in FileKind]),
    help="Format of the files. Default: detected by name and content.",
)
@click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    default="ns",
    help="Unit of times in line protocol. Default: ns.",
)
@token_option
def command(
    sources: tuple[str, ...],
    data: Path | None,
    name: str | None,
    time_column: str | None,
    value_column: tuple[str, ...],
    label_column: tuple[str, ...],
    time_unit: str | None,
    matchers: tuple[str, ...],
    start: int | None,
    end: int | None,
    time_: int | None,
    format_: str | None,
    precision: str,
) -> None:
    """Import samples from files, URLs or a pipe into a database.

    Formats: Parquet, CSV, Arrow, Prometheus text, OpenMetrics and protobuf, JSON lines (rows
    of a table, or series as VictoriaMetrics exports them), Influx line protocol (use --format
    influx, or a file name that ends in .influx).

    \b
    novaql import metrics.parquet
    novaql import 'dump/*.parquet' --data fleet
    novaql import http://localhost:9100/metrics
    curl -s http://localhost:8428/api/v1/export -d 'match[]={job!=""}' | novaql import -

    For a folder, the command imports the metric files in it, and in subfolders named label=value
    (partitions of DuckDB, polars and Hive), whose names become labels. Tables have one row for each
    sample (long form) or one column for each metric (wide form). If a file has an error, the
    command imports nothing.

    The address of a Prometheus, a VictoriaMetrics, a NovaQL or a database of an InfluxDB copies its
    samples, oldest first. The command continues where an earlier one has ended, or was interrupted:
    run it again to copy what has been added since. The token of an InfluxDB is --token or
    $INFLUX_TOKEN.

    \b
    novaql import http://prometheus:9090 --data fleet --start 2026-01-01
    novaql import http://victoria:8428 --match '{job="api"}'
    novaql import 'http://influx:8086?db=telegraf'
    """
    if start is not None and end is not None and end < start:
        raise click.UsageError("--end is before --start")
    values = list(value_column)
    columns = Columns(
        time=time_column,
        value=values[0] if len(values) == 1 else values or None,
        labels=list(label_column) or None,
        name=name,
        time_unit=time_unit,  # type: ignore[arg-type]  # click checked the choice
    )
    target = default_path() if data is None else data.expanduser()
    files_as = FileOptions(None if format_ is None else FileKind(format_), precision)
    selectors = [(text, matcher_sets([text])[0]) for text in matchers]
    samples, series, files, seconds = 0, 0, 0, 0.0
    imported = False
    with closing(LateDatabase(target)) as database, pipes_as_files(sources) as named:
        paths = [source for source in named if not is_address(source)]
        parts = [*([paths] if paths else []), *(source for source in named if is_address(source))]
        for part in parts:
            if is_url(part) and (server := servers.server_at(part)) is not None:
                with progress_bar("importing") as progress:
                    copied = copying.copy_samples(
                        database,
                        target,
                        server,
                        match=selectors,
                        start_ms=start,
                        end_ms=end,
                        progress=progress,
                    )
                click.echo(copied_text(copied, server.url, target))
                continue
            if selectors or start is not None or end is not None:
                raise click.UsageError("--match, --start and --end are for the address of a server")
            with progress_bar("importing") as progress:
                report = import_into(
                    database,
                    part,
                    columns=columns,
                    default_time_ms=time_,
                    progress=progress,
                    files=files_as,
                )
            imported = True
            samples, series = samples + report.samples, series + report.series
            files, seconds = files + report.files, seconds + report.seconds
            for warning in report.warnings:
                click.echo(f"warning: {warning}", err=True)
    if not imported:
        return
    click.echo(
        f"imported {samples} samples of {series} series from {files} "
        f"{'file' if files == 1 else 'files'} into {target} in {seconds:.1f} s"
        f"{speed_text(samples, seconds)}"
    )


def copied_text(copied: copying.Copied | None, url: str, target: Path) -> str:
    """What was copied, as a sentence."""
    if copied is None:
        return f"{url} has no samples"
    first, last = time_text(copied.first_ms), time_text(copied.until_ms)
    return (
        f"copied {copied.samples} samples of {first} to {last} from {url} into {target} in "
        f"{copied.seconds:.1f} s{speed_text(copied.samples, copied.seconds)}"
    )


def speed_text(samples: int, seconds: float) -> str:
    """The rate of a long import; "" for one that is too short to measure."""
    if seconds <= 1 or samples < 1_000_000:
        return ""
    return f", {samples / seconds / 1e6:.1f} million a second"


_HEAD_BYTES = 256 << 20
"""History is long: a large head becomes fewer and wider blocks, with less to merge afterwards."""


class LateDatabase:
    """A database that is opened, and created, when there is something to put into it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database: tsdb.Database | None = None

    def append(self, batch: tsdb.Batch) -> object:
        return self._opened().append(batch)

    def set_metadata(self, metadata: Mapping[str, tsdb.Metadata]) -> None:
        self._opened().set_metadata(metadata)

    def sync(self) -> None:
        self._opened().sync()

    def close(self) -> None:
        if self._database is not None:
            self._database.close()

    def _opened(self) -> tsdb.Database:
        if self._database is None:
            self._database = tsdb.open(self._path, flush_bytes=_HEAD_BYTES)
        return self._database
