"""Import: samples of any kind of data into a database, in parts."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import numpy as np

from novaql.errors import InputError
from novaql.fast_dataclass import dataclass
from novaql.inputs.batch_stream import BatchStream, Progress, no_progress
from novaql.inputs.open_any import open_stream
from novaql.inputs.read_options import (
    ANY_FORMAT,
    AS_EXPOSED,
    ExposedOptions,
    FileOptions,
    ReadOptions,
)
from novaql.inputs.replaced_samples import overwritten, warnings_of
from novaql.inputs.sample_times import need_calendar
from novaql.inputs.tables.column_roles import BY_NAME, Columns
from novaql.tsdb.model.labels import Ints, SeriesTable, concat_tables
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.model.source import Metadata

HELD_SAMPLES = 20_000_000
"""Samples that are held in memory until all of the input is validated."""

RECENT_SAMPLES = 5_000_000
"""In a larger input, the number of samples that are compared with each other for `overwritten`."""

_TABLE_ROWS_HELD = 1_000_000


class Store(Protocol):
    """The part of a database that an import uses."""

    def append(self, batch: Batch, /) -> object: ...
    def set_metadata(self, metadata: Mapping[str, Metadata], /) -> object: ...


@dataclass(frozen=True, slots=True)
class ImportReport:
    """The result of an import.

    overwritten  samples that a later one of the same import replaced with another value; counted
                 among up to five million samples that come together, beyond 20 million in all
    """

    samples: int
    series: int
    files: int
    seconds: float
    overwritten: int = 0

    @property
    def warnings(self) -> tuple[str, ...]:
        """Findings to check, as sentences."""
        return warnings_of(self.overwritten, "this import")


def import_into(
    database: Store,
    data: Any,
    *,
    columns: Columns = BY_NAME,
    default_time_ms: int | None = None,
    progress: Progress | None = None,
    exposed: ExposedOptions = AS_EXPOSED,
    files: FileOptions = ANY_FORMAT,
) -> ImportReport:
    """Append every sample of `data` (see `open_stream`) to the database.

    Nothing is appended unless all of the input can be read. A small input is held in memory until
    then; a large one is read twice; of a large stream that can be read only once, the part before
    an error stays. Raises `InputError`. The keywords are those of `ReadOptions`.
    """
    began = time.perf_counter()
    report = progress or no_progress
    total_bytes = 1

    def open_(part: Progress) -> BatchStream:
        return open_stream(data, ReadOptions(columns, default_time_ms, part, exposed, files))

    def first_half(done: int, total: int) -> None:
        nonlocal total_bytes
        total_bytes = total
        report(done // 2, total)

    def second_half(done: int, total: int) -> None:
        report((total + done) // 2, total)

    stream = open_(first_half)
    held: list[Batch] = []
    rest: Iterator[Batch] = stream.batches
    waiting = 0
    for batch in stream.batches:
        need_storable(batch)
        held.append(batch)
        waiting += len(batch)
        if waiting > HELD_SAMPLES:
            break
    if waiting > HELD_SAMPLES and _can_be_read_again(data):
        held.clear()
        for batch in stream.batches:
            need_storable(batch)
        stream = open_(second_half)
        rest = stream.batches
    samples = 0
    series = _SeriesCount()
    replaced = overwritten(held)
    while held:
        samples += _append(database, held.pop(0), series)
    recent: list[Batch] = []
    for batch in rest:
        samples += _append(database, batch, series)
        recent.append(batch)
        if sum(map(len, recent)) > RECENT_SAMPLES:
            replaced += overwritten(recent)
            recent.clear()
    replaced += overwritten(recent)
    if stream.metadata:
        database.set_metadata(stream.metadata)
    report(total_bytes, total_bytes)
    seconds = time.perf_counter() - began
    return ImportReport(samples, series.distinct(), stream.files, seconds, replaced)


def _append(database: Store, batch: Batch, series: _SeriesCount) -> int:
    need_calendar(batch)
    database.append(batch)
    series.add(batch)
    return len(batch)


def need_storable(batch: Batch) -> None:
    """Raises `InputError` for a series without labels, which can be queried, but not stored, and
    for a time outside of the calendar."""
    need_calendar(batch)
    bare = np.ones(len(batch.series), np.bool_)
    for column in batch.series.columns.values():
        bare &= column.codes == 0
    if bare.any() and any(bare[rows].any() for rows in _rows_used(batch)):
        raise InputError(
            "there are samples without a metric name and without labels, which cannot be stored; "
            "add a name"
        )


def _rows_used(batch: Batch) -> list[Ints]:
    native = [] if batch.native is None else [batch.native.series_index]
    return [batch.series_index, *native]


def _can_be_read_again(data: Any) -> bool:
    """Whether the data is anything but an iterator or a reader of record batches, or a list that
    has one."""
    if isinstance(data, list | tuple):
        return all(map(_can_be_read_again, data))
    return not hasattr(data, "read_next_batch") and not hasattr(data, "__next__")


class _SeriesCount:
    """Counts distinct label sets over many tables, with bounded memory."""

    def __init__(self) -> None:
        self._tables: list[SeriesTable] = []
        self._rows = 0

    def add(self, batch: Batch) -> None:
        used = np.unique(np.concatenate(_rows_used(batch)))
        if len(used) == 0:
            return
        self._tables.append(batch.series.take(used))
        self._rows += len(used)
        if self._rows > _TABLE_ROWS_HELD:
            self._shrink()

    def distinct(self) -> int:
        if not self._tables:
            return 0
        self._shrink()
        return self._rows

    def _shrink(self) -> None:
        table = concat_tables(self._tables)
        _, firsts = np.unique(table.keys(), return_index=True)
        self._tables = [table.take(firsts.astype(np.int64, copy=False))]
        self._rows = len(firsts)
