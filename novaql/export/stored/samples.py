"""A selection of series as Arrow record batches: one row a sample, a column a label.

Samples are read when their batch is requested, the next ones ahead of them on a thread. So the
memory is bounded, whatever the size of the store.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property, partial
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from novaql.export.arrow import TIMESTAMP, long_schema
from novaql.export.arrow_arrays import LabelRows, numbers
from novaql.export.columns import HISTOGRAM, START, TIME, VALUE, column_names
from novaql.export.histogram_arrow import histogram_column
from novaql.fast_dataclass import dataclass
from novaql.result import NativeCells
from novaql.tsdb.model.batch_views import SeriesView
from novaql.tsdb.model.flat_arrays import joined_starts
from novaql.tsdb.model.histograms import Histograms
from novaql.tsdb.model.labels import Bools, Ints, SeriesTable
from novaql.tsdb.model.samples import Floats, HistogramBatch
from novaql.tsdb.model.series_batch import SeriesBatchRef
from novaql.tsdb.model.source import Selection

BATCH_SAMPLES = 1 << 19
_AHEAD = 1
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Samples of some series, by series and then by time: [N] row of the series table, ms, value.

    native  the histograms, if the samples are those; `values` mean nothing then
    starts  [N] start timestamps, 0 where they are not known; None: nowhere
    """

    row: Ints
    times_ms: Ints
    values: Floats
    native: Histograms | None = None
    starts: Ints | None = None

    def __len__(self) -> int:
        return len(self.row)


class StoredSamples:
    """The samples of a selection in the long layout of `Result.arrow`.

    names    label names that are columns whether a series of the selection has them or not
    native   whether there is a column `histogram` (None: where a series has histograms)
    starts   whether there is a column of start timestamps
    """

    def __init__(
        self,
        selection: Selection,
        *,
        names: Sequence[str] = (),
        native: bool | None = None,
        starts: bool = False,
    ) -> None:
        self.selection = selection
        self.starts = starts
        self.native = bool(selection.histograms) if native is None else native
        known = sorted({*names, *selection.series.names()}, key=str.encode)
        self.labels = column_names(known, histograms=self.native, starts=starts)

    @property
    def series(self) -> SeriesTable:
        return self.selection.series

    @cached_property
    def schema(self) -> pa.Schema:
        """`time`, `value`, perhaps `histogram` and `start`, then the labels."""
        return long_schema(self.labels, histograms=self.native, starts=self.starts)

    def pieces(self, *, wanted: Bools | None = None, floats_only: bool = False) -> Iterator[Piece]:
        """About `BATCH_SAMPLES` samples at a time: floats, then histograms.

        wanted  [S] series to read; None: all
        """
        floats = _ahead([partial(self._floats, ref) for ref in self.selection.batches])
        yield from _gathered(_flat(view, wanted) for views in floats for view in views)
        if self.native and not floats_only:
            for whole in _ahead([h.load for h in self.selection.histograms]):
                yield from _native_pieces(whole, wanted)

    def _floats(self, ref: SeriesBatchRef) -> list[SeriesView]:
        return list(self.selection.views_of(ref))

    def batches(
        self, columns: Collection[str] | None = None, *, wanted: Bools | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Record batches with those columns, all if None; in the order of the schema."""
        fields = [f for f in self.schema if columns is None or f.name in columns]
        schema = pa.schema(fields)
        for piece in self.pieces(wanted=wanted):
            arrays = [self._array(field.name, piece) for field in fields]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    def table_of_series(self) -> pa.Table:
        """Return one row for each series with its labels; the columns of samples are null."""
        rows = np.arange(self.series.rows)
        arrays: list[pa.Array[Any]] = []
        fields: list[pa.Field[Any]] = []
        for field in self.schema:
            fields.append(pa.field(field.name, field.type))
            if field.name in self.labels:
                arrays.append(self._label(field.name, rows))
            else:
                arrays.append(pa.nulls(self.series.rows, field.type))
        return pa.Table.from_arrays(arrays, schema=pa.schema(fields))

    def _array(self, name: str, piece: Piece) -> pa.Array[Any]:
        if name == TIME:
            return numbers(piece.times_ms, TIMESTAMP)
        if name == VALUE:
            there = None if piece.native is None else np.zeros(len(piece), np.bool_)
            return numbers(piece.values, pa.float64(), there)
        if name == HISTOGRAM and self.native:
            if piece.native is None:
                none = np.full(len(piece), -1, np.int32)
                return histogram_column(NativeCells(Histograms.none(), none))
            which = np.arange(len(piece), dtype=np.int32)
            return histogram_column(NativeCells(piece.native, which))
        if name == START and self.starts:
            if piece.starts is None:
                return pa.nulls(len(piece), TIMESTAMP)
            return numbers(piece.starts, TIMESTAMP, piece.starts != 0)
        return self._label(name, piece.row)

    def _label(self, name: str, row: Ints) -> pa.Array[Any]:
        return self._dictionaries[name].taken(row)

    @cached_property
    def _dictionaries(self) -> dict[str, LabelRows]:
        """One dictionary for all batches, so that streams need not repeat it."""
        return {
            column: LabelRows(self.series.column(label).compacted())
            for column, label in self.labels.items()
        }


def _flat(view: SeriesView, wanted: Bools | None) -> Piece:
    flat = view.ragged()
    rows, starts = flat.owners(), flat.starts
    if wanted is None or wanted[flat.rows].all():
        return Piece(rows, flat.timestamps, flat.values, starts=starts)
    some = np.flatnonzero(wanted[rows])
    starts = None if starts is None else starts[some]
    return Piece(rows[some], flat.timestamps[some], flat.values[some], starts=starts)


def _gathered(pieces: Iterator[Piece]) -> Iterator[Piece]:
    waiting: list[Piece] = []
    count = 0
    for piece in pieces:
        if not len(piece):
            continue
        waiting.append(piece)
        count += len(piece)
        if count >= BATCH_SAMPLES:
            yield _joined(waiting)
            waiting, count = [], 0
    if waiting:
        yield _joined(waiting)


def _joined(pieces: list[Piece]) -> Piece:
    if len(pieces) == 1:
        return pieces[0]
    return Piece(
        np.concatenate([piece.row for piece in pieces]),
        np.concatenate([piece.times_ms for piece in pieces]),
        np.concatenate([piece.values for piece in pieces]),
        starts=joined_starts([(piece.starts, len(piece)) for piece in pieces]),
    )


def _native_pieces(found: HistogramBatch, wanted: Bools | None) -> Iterator[Piece]:
    rows = np.repeat(found.rows, np.diff(found.offsets))
    places = np.arange(len(rows)) if wanted is None else np.flatnonzero(wanted[rows])
    most = BATCH_SAMPLES // 32  # a histogram is as large as some dozen floats
    for first in range(0, len(places), most):
        some = places[first : first + most]
        none = np.full(len(some), np.nan)
        starts = None if found.starts is None else found.starts[some]
        yield Piece(rows[some], found.timestamps[some], none, found.histograms.take(some), starts)


def _ahead(loads: list[Callable[[], _T]]) -> Iterator[_T]:
    """Yield the results of the calls, in order; the next calls run meanwhile."""
    with ThreadPoolExecutor(_AHEAD, thread_name_prefix="novaql-read") as pool:
        waiting: list[Future[_T]] = []
        try:
            for load in loads:
                waiting.append(pool.submit(load))
                if len(waiting) > _AHEAD:
                    yield waiting.pop(0).result()
            while waiting:
                yield waiting.pop(0).result()
        finally:
            for future in waiting:
                future.cancel()
