"""A row group of a Parquet file with one column of values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.inputs.parquet.pruning import Bounds, never_null, text_bounds, time_bounds
from novaql.inputs.tables.arrow_labels import holds_labels
from novaql.inputs.tables.arrow_table import ArrowReader, label_of, number_column
from novaql.tsdb.model.labels import METRIC_NAME, Ints, SeriesTable, concat_tables
from novaql.tsdb.model.matchers import Matcher
from novaql.tsdb.model.samples import Batch, is_stale

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from novaql.inputs.tables.arrow_time import TimeColumn
    from novaql.inputs.tables.column_roles import Layout

ROWS_AT_ONCE = 1 << 17
"""Rows that are decoded at a time: a few MiB of each column."""


class Table(Protocol):
    """The part of `ParquetTable` that a piece uses."""

    name: str

    @property
    def footer(self) -> pq.FileMetaData: ...
    @property
    def schema(self) -> pa.Schema: ...
    @property
    def time(self) -> TimeColumn: ...
    def read(self, group: int, columns: Sequence[str]) -> Iterator[pa.RecordBatch]: ...


@dataclass(frozen=True, slots=True, eq=False)
class PieceIndex:
    """The series of a piece, each once: how many samples each has, and its first and last time."""

    series: SeriesTable
    counts: Ints
    first_ms: Ints
    last_ms: Ints

    def places_of(self, table: SeriesTable) -> Ints:
        """[len(table)] the place of each label set in `series`; -1: it has no samples."""
        own = len(self.series)
        keys = concat_tables([self.series, table]).keys()
        place_of = np.full(int(keys.max(initial=-1)) + 1, -1)
        place_of[keys[:own]] = np.arange(own)
        return place_of[keys[own:]]


class Piece:
    """Reads one row group. Its methods raise `InputError`.

    layout  in long form
    """

    def __init__(self, table: Table, group: int, layout: Layout) -> None:
        self.layout = layout
        self._table = table
        self._group = group
        self._index: PieceIndex | None = None

    @cached_property
    def _columns(self) -> dict[str, pq.ColumnChunkMetaData]:
        """By path."""
        group = self._table.footer.row_group(self._group)
        found = [group.column(number) for number in range(group.num_columns)]
        return {column.path_in_schema: column for column in found}

    @cached_property
    def _bounds(self) -> dict[str, Bounds | None]:
        """The bounds of each label that a row may have. None: not known."""
        layout = self.layout
        found: dict[str, Bounds | None] = {}
        for name in layout.labels:
            chunk = self._columns.get(name)
            label = label_of(self._table.schema.field(name))
            found[label] = None if chunk is None else text_bounds(chunk)
        for label, value in layout.folders.items():
            found[label] = Bounds(value, value, value == "")
        if layout.name is not None:
            chunk = self._columns.get(layout.name)
            found[METRIC_NAME] = None if chunk is None else text_bounds(chunk)
        elif layout.metric:
            found[METRIC_NAME] = Bounds(layout.metric, layout.metric, absent=False)
        elif not layout.labels and not any(layout.folders.values()):
            found[METRIC_NAME] = Bounds(layout.values[0], layout.values[0], absent=False)
        return found

    @cached_property
    def range_ms(self) -> tuple[int, int] | None:
        """Times between which all samples are, by the footer; None: not known."""
        time = self._table.time
        return time_bounds(self._columns[time.column], time.unit)

    @cached_property
    def _nested(self) -> bool:
        """Whether columns have labels whose names only their rows contain."""
        schema = self._table.schema
        return any(holds_labels(schema.field(name).type) for name in self.layout.labels)

    def may_match(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> bool:
        """Whether it may have samples that the matchers and the range select."""
        for matcher in matchers:
            if matcher.name in self._bounds:
                bounds = self._bounds[matcher.name]
                if bounds is not None and not bounds.may_match(matcher):
                    return False
            elif not self._nested and not matcher.matches(""):
                return False
        if self.range_ms is None:
            return True
        first, last = self.range_ms
        return first <= end_ms and last >= start_ms

    def index(self) -> PieceIndex:
        """The series; computed once."""
        if self._index is None:
            found = [self._part_index(part) for part in self._parts(values=not self._full)]
            self._index = _joined(found)
        return self._index

    def batches(self) -> Iterator[Batch]:
        """All samples, some at a time."""
        reader = self._reader()
        for part in self._parts(values=True):
            yield reader.read(part)

    def last_sample_ms(self) -> int | None:
        """Time of the last sample that is no staleness marker."""
        times = (b.timestamps[~is_stale(b.values)] for b in self.batches())
        return max((int(some.max()) for some in times if len(some)), default=None)

    @cached_property
    def _full(self) -> bool:
        """Whether each row provably has a value."""
        chunk = self._columns.get(self.layout.values[0])
        return chunk is not None and never_null(chunk)

    def _parts(self, *, values: bool) -> Iterator[pa.RecordBatch]:
        left_out = () if values else self.layout.values
        columns = [name for name in self.layout.used if name not in left_out]
        return self._table.read(self._group, columns)

    def _reader(self) -> ArrowReader:
        return ArrowReader(self.layout, self._table.time, self._table.name)

    def _part_index(self, part: pa.RecordBatch) -> PieceIndex:
        times, table, index = self._reader().rows_of(part)
        if not self._full:
            name = self.layout.values[0]
            _, present = number_column(part.column(name), name)
            if present is not None:
                times, index = times[present], index[present]
        counts = np.bincount(index, minlength=len(table))
        first = np.full(len(table), np.iinfo(np.int64).max)
        last = np.full(len(table), np.iinfo(np.int64).min)
        np.minimum.at(first, index, times)
        np.maximum.at(last, index, times)
        return PieceIndex(table, counts, first, last)


def _joined(parts: list[PieceIndex]) -> PieceIndex:
    """Combine several indexes into one, without series that have no sample."""
    if not parts:
        none = np.zeros(0, np.int64)
        return PieceIndex(SeriesTable.unlabelled(0), none, none, none)
    table = concat_tables([part.series for part in parts])
    _, firsts, row = np.unique(table.keys(), return_index=True, return_inverse=True)
    counts = np.zeros(len(firsts), np.int64)
    np.add.at(counts, row, np.concatenate([part.counts for part in parts]))
    first = np.full(len(firsts), np.iinfo(np.int64).max)
    last = np.full(len(firsts), np.iinfo(np.int64).min)
    np.minimum.at(first, row, np.concatenate([part.first_ms for part in parts]))
    np.maximum.at(last, row, np.concatenate([part.last_ms for part in parts]))
    some = counts > 0
    return PieceIndex(table.take(firsts[some]), counts[some], first[some], last[some])
