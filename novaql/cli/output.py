"""Results to standard output or to a file, in each format."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import tzinfo
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from novaql.cli.failures import note
from novaql.export.destination import whole_file
from novaql.export.table import text_of
from novaql.lazy_exports import lazy_module
from novaql.result import Result

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from novaql.export import csv_text
else:  # slow to load, and only some formats need them
    pa = lazy_module("pyarrow")
    pq = lazy_module("pyarrow.parquet")
    csv_text = lazy_module("novaql.export.csv_text")


class Format(StrEnum):
    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    ARROW = "arrow"
    PARQUET = "parquet"


FORMAT_OF_SUFFIX = {
    ".txt": Format.TABLE,
    ".csv": Format.CSV,
    ".json": Format.JSON,
    ".arrow": Format.ARROW,
    ".arrows": Format.ARROW,
    ".parquet": Format.PARQUET,
    ".pq": Format.PARQUET,
}


def chosen_format(given: str | None, output: str | None) -> Format:
    """Return the requested format, else that of the file's suffix, else a table.

    Raises `click.UsageError` for an unknown suffix.
    """
    if given is not None:
        return Format(given)
    suffix = Path(output).suffix.lower() if output else ""
    if suffix and suffix not in FORMAT_OF_SUFFIX:
        known = ", ".join(FORMAT_OF_SUFFIX)
        raise click.UsageError(f"{suffix} is no format; use one of {known}, or pass --format")
    return FORMAT_OF_SUFFIX.get(suffix, Format.TABLE)


def write_result(
    result: Result,
    chosen: Format,
    output: str | None,
    *,
    rows: int | None,
    zone: tzinfo | None = None,
) -> None:
    """Write a result; warnings and infos go to stderr unless the table shows them.

    rows  how many series a table shows; None: 100 on a terminal, all elsewhere
    zone  of the times of a table; None: UTC
    """
    terminal = output is None and sys.stdout.isatty()
    if chosen in (Format.ARROW, Format.PARQUET) and terminal:
        raise click.UsageError(f"{chosen} is not for a terminal: use --output FILE, or a pipe")
    if chosen is not Format.TABLE:
        for kind, texts in (("warning", result.warnings), ("info", result.infos)):
            for text in texts:
                note(kind, text)
    with destination(output) as out:
        match chosen:
            case Format.TABLE:
                out.write(_table_text(result, terminal=terminal, rows=rows, zone=zone).encode())
            case Format.CSV:
                csv_text.write_csv(result, out)
            case Format.JSON:
                out.write(result.json().encode() + b"\n")
            case Format.ARROW:
                _write_arrow(result, out)
            case Format.PARQUET:
                _write_parquet(result, out)


@contextmanager
def destination(output: str | None) -> Iterator[BinaryIO]:
    """Standard output, or a file that is written completely or not at all."""
    if output is None:
        sys.stdout.flush()
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with whole_file(output) as out:
        yield out


def _table_text(result: Result, *, terminal: bool, rows: int | None, zone: tzinfo | None) -> str:
    limit = (100 if terminal else None) if rows is None else rows or None
    width = shutil.get_terminal_size().columns if terminal else None
    return text_of(result, rows=limit, width=width, spark=32, zone=zone) + "\n"


def _write_arrow(result: Result, out: BinaryIO) -> None:
    table = result.arrow()
    sink: Any = out  # any Python file works; the type stubs are narrower
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)


def _write_parquet(result: Result, out: BinaryIO) -> None:
    whole = pa.BufferOutputStream()  # a pipe has no position, which Parquet requires
    pq.write_table(result.arrow(), whole)
    out.write(whole.getvalue())
