"""Parquet files as a `Source`: each selector reads the row groups and columns that it needs."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from novaql.errors import InputError
from novaql.fast_dataclass import dataclass
from novaql.inputs.batch_stream import BatchStream
from novaql.inputs.label_lookups import LabelLookups
from novaql.inputs.parquet.catalog import Catalog, Known
from novaql.inputs.parquet.piece import Piece
from novaql.inputs.parquet.portions import SAMPLES, Portion, portions_of
from novaql.inputs.parquet.sample_order import SampleOrder
from novaql.inputs.parquet.table import ParquetTable
from novaql.inputs.replaced_samples import warnings_of
from novaql.lazy_exports import lazy_module
from novaql.tsdb.model.labels import Bools, Ints, SeriesTable
from novaql.tsdb.model.matchers import Matcher, select_rows
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.model.series_batch import SeriesBatch, SeriesBatchRef
from novaql.tsdb.model.source import (
    MAX_TIME_MS,
    MIN_TIME_MS,
    NO_HINTS,
    Hints,
    Metadata,
    Selection,
)
from novaql.tsdb.runtime.lru_cache import ByteCache

if TYPE_CHECKING:
    import pyarrow as pa
else:  # loaded at the first use
    pa = lazy_module("pyarrow")

HELD_BYTES = 64 << 20
"""Batches that are cached for the next query."""

LOADED_AT_ONCE = 1
"""Batches that are read side by side, whatever the number of threads."""


@dataclass(frozen=True, slots=True, eq=False)
class _Wanted:
    """The selection of a selector. numbers: those of the series, in the order of their label
    sets."""

    series: SeriesTable
    numbers: Ints
    known: list[Known]


class ParquetSource(LabelLookups):
    """The samples of Parquet files without native histograms.

    Of two samples with the same series and time, the later one in the files counts. Methods raise
    `InputError` for what cannot be read.

    batch_samples  about how many samples a batch has
    """

    def __init__(self, tables: Sequence[ParquetTable], *, batch_samples: int = SAMPLES) -> None:
        self._batch_samples = batch_samples
        self._tables = tuple(tables)
        self._catalog = Catalog()
        self._lock = threading.Lock()
        self._loads = threading.BoundedSemaphore(LOADED_AT_ONCE)
        self._held: ByteCache[SeriesBatch] = ByteCache(HELD_BYTES)
        self._replaced: dict[int, int] = {}

    def __repr__(self) -> str:
        count = len(self._tables)
        name = self._tables[0].name
        return f"ParquetSource({name!r}{f' and {count - 1} more' if count > 1 else ''})"

    @property
    def notes(self) -> tuple[str, ...]:
        """Warnings about the samples that were read so far."""
        return warnings_of(sum(self._replaced.values()), "the data")

    def has_histograms(self) -> bool:
        """False: see `_pieces`."""
        return False

    def select(
        self,
        matchers: Sequence[Matcher],
        start_ms: int,
        end_ms: int,
        hints: Hints = NO_HINTS,
    ) -> Selection:
        """See `Source.select`. The batches are read when they are loaded."""
        if hints.plain is not None:
            return hints.plain  # there are no cells
        wanted = self._wanted(matchers, start_ms, end_ms)
        window = start_ms, end_ms
        portions = portions_of(wanted.known, wanted.numbers, window, self._batch_samples)
        refs = [self._ref(portion, wanted.numbers, window) for portion in portions]
        series = wanted.series.take(wanted.numbers)
        if hints.labels is not None:
            series = series.keep(hints.labels)
        return Selection(series, refs, (), window)

    def series(
        self, matcher_sets: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int
    ) -> SeriesTable:
        """See `Source.series`."""
        found: list[Ints] = []
        table = SeriesTable.unlabelled(0)
        for matchers in matcher_sets or [[]]:
            wanted = self._wanted(matchers, start_ms, end_ms)
            table = wanted.series  # it also has the series of the earlier ones
            found.append(wanted.numbers[self._surely_in(matchers, wanted, start_ms, end_ms)])
        some = table.take(np.unique(np.concatenate(found)))
        return some.take(some.order())

    def metadata(self) -> dict[str, Metadata]:
        """See `Source.metadata`. Opens every file."""
        found: dict[str, Metadata] = {}
        for table in self._tables:
            found.update(table.metadata())
        return found

    def time_range(self) -> tuple[int, int] | None:
        """Times between which all samples are, from the footers if these have statistics."""
        ranges = [_range_of(piece) for piece in self._pieces([], MIN_TIME_MS, MAX_TIME_MS)]
        known = [found for found in ranges if found is not None]
        if not known:
            return None
        return min(first for first, _ in known), max(last for _, last in known)

    def last_sample_ms(self) -> int | None:
        """Time of the last sample that is no staleness marker; None: there is none."""
        bounds = [(_range_of(p), p) for p in self._pieces([], MIN_TIME_MS, MAX_TIME_MS)]
        latest: int | None = None
        for (_, last), piece in sorted(
            [(found, piece) for found, piece in bounds if found is not None],
            key=lambda one: -one[0][1],
        ):
            if latest is not None and last <= latest:
                break
            found = piece.last_sample_ms()
            latest = found if latest is None or (found is not None and found > latest) else latest
        return latest

    def stream(self) -> BatchStream:
        """All samples, to be stored."""
        stream = BatchStream(iter(()), files=len(self._tables))

        def batches() -> Iterator[Batch]:
            for table in self._tables:
                yield from table.batches()
                stream.metadata.update(table.metadata())

        stream.batches = batches()
        return stream

    def _pieces(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Piece]:
        """The pieces that may have samples of a selection, in the order of the files."""
        found: list[Piece] = []
        for table in self._tables:
            if not table.may_match(matchers):
                continue
            if table.layout.native is not None:
                raise InputError(
                    f"{table.name}: this file has native histograms, and the first one has none; "
                    "import the files into a database, and query that"
                )
            found += [p for p in table.pieces() if p.may_match(matchers, start_ms, end_ms)]
        return found

    def _wanted(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> _Wanted:
        series, known = self._catalog.known(self._pieces(matchers, start_ms, end_ms))
        present = np.zeros(len(series), np.bool_)
        for one in known:
            inside = (one.index.first_ms <= end_ms) & (one.index.last_ms >= start_ms)
            present[one.numbers[inside]] = True
        candidates = np.flatnonzero(present)
        table = series.take(candidates)
        chosen = candidates[select_rows(table, matchers)]
        ordered = chosen[series.take(chosen).order()]
        return _Wanted(series, ordered, known)

    def _surely_in(
        self, matchers: Sequence[Matcher], wanted: _Wanted, start_ms: int, end_ms: int
    ) -> Bools:
        """Which series have a sample in the range, and not only before and after it."""
        sure = np.zeros(len(wanted.series), np.bool_)
        for one in wanted.known:
            low, high = one.index.first_ms, one.index.last_ms
            in_range = ((low >= start_ms) & (low <= end_ms)) | (
                (high >= start_ms) & (high <= end_ms)
            )
            sure[one.numbers[in_range]] = True
        found: Bools = sure[wanted.numbers]
        if not found.all():
            selection = self.select(matchers, start_ms, end_ms)
            for view in selection.views():
                flat = view.ragged()
                found[flat.rows[np.diff(flat.bounds) > 0]] = True
        return found

    def _ref(self, portion: Portion, numbers: Ints, range_ms: tuple[int, int]) -> SeriesBatchRef:
        load = partial(self._load, portion, numbers[portion.rows], range_ms)
        return SeriesBatchRef(load, portion.samples)

    def _load(self, portion: Portion, numbers: Ints, range_ms: tuple[int, int]) -> SeriesBatch:
        key = numbers.tobytes(), portion.rows.tobytes(), range_ms
        with self._loads:
            held = self._held.get(key)
            if held is not None:
                return held
            batch, replaced = _read(portion, numbers, range_ms)
            pa.default_memory_pool().release_unused()
            with self._lock:
                for number in np.flatnonzero(replaced).tolist():
                    at = int(numbers[number])
                    self._replaced[at] = max(self._replaced.get(at, 0), int(replaced[number]))
            self._held.put(key, batch)
            return batch


def _range_of(piece: Piece) -> tuple[int, int] | None:
    """First and last time of a piece; None if it has no samples."""
    if piece.range_ms is not None:
        return piece.range_ms
    index = piece.index()
    return (int(index.first_ms.min()), int(index.last_ms.max())) if len(index.counts) else None


def _read(portion: Portion, numbers: Ints, range_ms: tuple[int, int]) -> tuple[SeriesBatch, Ints]:
    """The samples of series, whose numbers are in the order of the portion's rows."""
    start_ms, end_ms = range_ms
    ordered = SampleOrder(portion.capacity)
    for known in portion.known:
        for batch in known.piece.batches():
            slots = _slots(batch.series, known, numbers)[batch.series_index]
            keep = slots >= 0
            if int(batch.timestamps.min(initial=start_ms)) < start_ms:
                keep &= batch.timestamps >= start_ms
            if int(batch.timestamps.max(initial=end_ms)) > end_ms:
                keep &= batch.timestamps <= end_ms
            starts = None if batch.starts is None else batch.starts
            if keep.all():
                ordered.add(slots, batch.timestamps, batch.values, starts)
            elif keep.any():
                starts = None if starts is None else starts[keep]
                ordered.add(slots[keep], batch.timestamps[keep], batch.values[keep], starts)
    return ordered.finish(portion.rows)


def _slots(table: SeriesTable, known: Known, numbers: Ints) -> Ints:
    """[len(table)] place of each series in `numbers`; -1: it is not among them."""
    place_of = np.full(int(max(known.numbers.max(), numbers.max())) + 1, -1)
    place_of[numbers] = np.arange(len(numbers))
    found = known.index.places_of(table)
    return np.where(found < 0, -1, place_of[known.numbers[found]])
