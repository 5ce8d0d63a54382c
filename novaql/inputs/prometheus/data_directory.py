"""A Prometheus data directory, or one block of it, read in place as a `Source`.

Blocks and the head are layers in order of age. A selection merges the series of all layers; samples
of a series in two layers (overlapping blocks, the log beside a block) are read once, from the
younger one. Reading writes no file and takes no lock, because a Prometheus may be running there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from novaql.errors import InputError
from novaql.inputs.batch_stream import BatchStream, Progress, no_progress
from novaql.inputs.label_lookups import LabelLookups
from novaql.inputs.prometheus.block import Block
from novaql.inputs.prometheus.folders import block_folders, is_block
from novaql.inputs.prometheus.head import Head
from novaql.inputs.prometheus.layer_batches import (
    Layer,
    MemberRows,
    Pieces,
    PieceSamples,
    Window,
    pieces_of,
)
from novaql.inputs.source_stream import selection_batches
from novaql.inputs.tables.table_source import in_label_order
from novaql.tsdb.errors import Corrupted, StoreError
from novaql.tsdb.model.histograms import Histograms
from novaql.tsdb.model.labels import Ints, SeriesTable, concat_tables
from novaql.tsdb.model.matchers import Matcher, select_rows
from novaql.tsdb.model.read_errors import ReadErrors
from novaql.tsdb.model.samples import Batch, HistogramBatch
from novaql.tsdb.model.series_batch import Derived, SeriesBatch, SeriesBatchRef
from novaql.tsdb.model.source import NO_HINTS, Hints, HistogramBatchRef, Metadata, Selection

_NEWEST = 2**62
_ATTEMPTS = 5


class DataDirectory(LabelLookups):
    """The data of a Prometheus on disk, as of the moment of opening.

    Opening raises `InputError` if the folder has no data of Prometheus, `Corrupted` if the
    description of a block cannot be read. Other damage raises an error when it is read, or is noted
    in the `read_errors` of the hints and skipped. Every selection reports damage of the head.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._head_errors = ReadErrors()
        self.head: Head | None = None
        self.blocks: list[Block] = []
        self._pieces = Pieces()
        for attempt in range(_ATTEMPTS):
            # A running Prometheus may move samples from the log into a block meanwhile.
            before = self._block_folders()
            try:
                self._open(before)
            except FileNotFoundError as problem:
                if attempt == _ATTEMPTS - 1:
                    raise InputError(f"{problem.filename}: the file is missing") from problem
                continue
            if self._block_folders() == before:
                break

    def _block_folders(self) -> list[Path]:
        return [self.folder] if is_block(self.folder) else list(block_folders(self.folder))

    def _open(self, folders: Sequence[Path]) -> None:
        blocks = [Block(place) for place in folders]
        replaced = {parent for block in blocks for parent in block.meta.parents}
        self.blocks = sorted(
            (block for block in blocks if block.meta.ulid not in replaced),
            key=lambda block: (block.meta.start_ms, block.meta.ulid),
        )
        has_head = (self.folder / "wal").is_dir()
        if not blocks and not has_head:
            raise InputError(f"{self.folder}: there are no blocks and no log of a Prometheus here")
        if has_head:
            in_order = [block.meta.end_ms for block in self.blocks if not block.meta.late]
            newest = max(in_order, default=-_NEWEST)
            self._head_errors = ReadErrors()
            self.head = Head(self.folder, newest, self._head_errors)

    def __repr__(self) -> str:
        return f"DataDirectory({str(self.folder)!r})"

    def has_histograms(self) -> bool:
        """True: it may have some, which is not known before samples are read."""
        return True

    def select(
        self,
        matchers: Sequence[Matcher],
        start_ms: int,
        end_ms: int,
        hints: Hints = NO_HINTS,
    ) -> Selection:
        """See `Source.select`. Loading a batch raises `Corrupted` for damaged data."""
        if hints.plain is not None:
            return hints.plain  # there are no cells
        read_errors = hints.read_errors
        self._note_head_errors(read_errors)
        window = (start_ms, end_ms)
        parts, tables, floats, native, grids = [], [], [], [], []
        for layer, rows in self._matching([matchers], start_ms, end_ms, read_errors):
            counts = layer.sample_counts(rows, start_ms, end_ms)
            some = (counts.floats > 0) | (counts.histograms > 0)
            parts.append((layer, rows[some]))
            tables.append(layer.series.take(rows[some]))
            floats.append(counts.floats[some])
            native.append(counts.histograms[some])
            grids.append(counts.grid[some])
        if sum(len(table) for table in tables) == 0:
            return Selection(SeriesTable.unlabelled(0), ())
        series, union = united(tables)
        totals = [
            np.bincount(union, np.concatenate(part), minlength=len(series)).astype(np.int64)
            for part in (floats, native, grids)
        ]
        ends = np.cumsum([len(table) for table in tables]).tolist()
        members = [
            MemberRows(layer, rows, union[end - len(rows) : end])
            for (layer, rows), end in zip(parts, ends, strict=True)
        ]
        batches, histograms = self._batches(members, totals, window, read_errors)
        return Selection(series, batches, histograms, window)

    def _batches(
        self,
        members: Sequence[MemberRows],
        totals: Sequence[Ints],
        window: Window,
        read_errors: ReadErrors | None,
    ) -> tuple[list[SeriesBatchRef], list[HistogramBatchRef]]:
        """totals: of each row its floats, its histograms and its grid."""
        floats, native, grid = totals
        batches: list[SeriesBatchRef] = []
        histograms: list[HistogramBatchRef] = []
        plain, mixed = np.flatnonzero(native == 0), np.flatnonzero(native)
        for some in pieces_of(floats[plain], grid[plain]):
            rows = plain[some]
            read = partial(self._read, members, rows, len(floats), window, read_errors)
            batches.append(SeriesBatchRef(partial(_floats_of, read, rows), int(floats[rows].sum())))
        # A series of histograms may end in a float, which is known only after reading.
        for some in pieces_of((floats + native)[mixed], grid[mixed]):
            rows = mixed[some]
            read = partial(self._read, members, rows, len(floats), window, read_errors)
            found = read()
            if found.floats.sample_count:
                samples = found.floats.sample_count
                batches.append(SeriesBatchRef(partial(_floats_of, read, rows), samples))
            if found.native is not None:
                samples = len(found.native.timestamps)
                histograms.append(HistogramBatchRef(partial(_histograms_of, read, rows), samples))
        return batches, histograms

    def _read(
        self,
        members: Sequence[MemberRows],
        rows: Ints,
        all_rows: int,
        window: Window,
        read_errors: ReadErrors | None,
    ) -> PieceSamples:
        place = np.full(all_rows, -1, np.int64)
        place[rows] = np.arange(len(rows))
        picked = [part for member in members if len((part := member.among(place)).rows)]
        return self._pieces.read(picked, window, read_errors)

    def series(
        self, matcher_sets: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int
    ) -> SeriesTable:
        """See `Source.series`."""
        tables = []
        for layer, rows in self._matching(list(matcher_sets) or [[]], start_ms, end_ms, None):
            counts = layer.sample_counts(rows, start_ms, end_ms)
            tables.append(layer.series.take(rows[(counts.floats > 0) | (counts.histograms > 0)]))
        return united(tables)[0] if tables else SeriesTable.unlabelled(0)

    def metadata(self) -> dict[str, Metadata]:
        """Metadata in the log; Prometheus writes it only if configured to."""
        return {} if self.head is None else dict(self.head.metadata)

    def time_range(self) -> tuple[int, int] | None:
        """Times between which all samples are; None if there are none."""
        layers = [layer for layer in self._layers() if layer.last_ms >= layer.first_ms]
        if not layers:
            return None
        return min(x.first_ms for x in layers), max(x.last_ms for x in layers)

    def _layers(self) -> list[Layer]:
        layers: list[Layer] = [*self.blocks]
        return layers if self.head is None else [*layers, self.head]

    def _matching(
        self,
        matcher_sets: Sequence[Sequence[Matcher]],
        start_ms: int,
        end_ms: int,
        read_errors: ReadErrors | None,
    ) -> Iterator[tuple[Layer, Ints]]:
        for layer in self._layers():
            if layer.first_ms > end_ms or layer.last_ms < start_ms:
                continue
            try:
                table = layer.series
            except Corrupted as problem:  # a damaged index omits the whole block
                if read_errors is None:
                    raise
                read_errors.note(problem)
                continue
            wanted = np.zeros(len(table), np.bool_)
            for matchers in matcher_sets:
                wanted |= select_rows(table, matchers)
            rows = np.flatnonzero(wanted)
            if len(rows):
                yield layer, rows

    def _note_head_errors(self, read_errors: ReadErrors | None) -> None:
        for problem in self._head_errors.problems():
            if read_errors is None:
                raise problem
            read_errors.note(problem)


def united(tables: Sequence[SeriesTable]) -> tuple[SeriesTable, Ints]:
    """The label sets of all tables, each once and sorted; and the row of each of theirs."""
    joined = concat_tables(tables)
    _, firsts, row = np.unique(joined.keys(), return_index=True, return_inverse=True)
    series, place = in_label_order(joined.take(firsts))
    return series, place[row.ravel()]


def _floats_of(read: Callable[[], PieceSamples], rows: Ints) -> SeriesBatch:
    floats = read().floats
    return replace(floats, rows=rows[floats.rows], derived=Derived())


def _histograms_of(read: Callable[[], PieceSamples], rows: Ints) -> HistogramBatch:
    native = read().native
    if native is None:  # damaged since the selection was made
        none = np.zeros(0, np.int64)
        return HistogramBatch(none, none, Histograms.none(), np.zeros(1, np.int64))
    return replace(native, rows=rows[native.rows])


def directory_stream(folder: Path, progress: Progress = no_progress) -> BatchStream:
    """Every sample of a data directory in batches, layer after layer.

    Raises `InputError` at the first damage, so that no sample is silently omitted.
    """
    source = DataDirectory(folder)

    def batches() -> Iterator[Batch]:
        try:
            selection = source.select([], -_NEWEST, _NEWEST)
            done, total = 0, selection.samples
            for batch in selection_batches(selection):
                yield batch
                done += len(batch)
                progress(done, max(done, total))
        except StoreError as problem:
            raise InputError(str(problem)) from problem

    return BatchStream(batches(), source.metadata(), files=1)
