"""The head of a Prometheus data directory: samples that are not in a block yet.

They are in the log, in the log of out-of-order samples, and in chunks that were written when they
were full. Samples that are also in a block or in a chunk are read once.
"""

from __future__ import annotations

import struct
from itertools import pairwise
from pathlib import Path

import numpy as np

from novaql.inputs.batch_stream import joined_native
from novaql.inputs.prometheus.block import Deleted, without_deleted
from novaql.inputs.prometheus.chunk_bytes import BrokenChunk
from novaql.inputs.prometheus.chunk_files import HeadChunk, head_chunks
from novaql.inputs.prometheus.chunk_samples import ChunkSamples, samples_of
from novaql.inputs.prometheus.decoding import decode_logged
from novaql.inputs.prometheus.layer_batches import RowCounts, row_counts
from novaql.inputs.prometheus.varints import runs
from novaql.inputs.prometheus.wal_records import (
    LoggedHistograms,
    RecordKind,
    read_metadata,
    read_series,
    read_tombstones,
)
from novaql.inputs.prometheus.wal_samples import LoggedSamples
from novaql.inputs.prometheus.wal_segments import note_gap, read_records, segments_of
from novaql.tsdb.errors import Corrupted
from novaql.tsdb.model.labels import METRIC_NAME, Bools, Ints, SeriesTable
from novaql.tsdb.model.read_errors import ReadErrors, note_or_raise
from novaql.tsdb.model.samples import STALE, HistogramSamples
from novaql.tsdb.model.source import Metadata

_HISTOGRAM_RECORDS = frozenset(
    {
        RecordKind.HISTOGRAMS,
        RecordKind.FLOAT_HISTOGRAMS,
        RecordKind.CUSTOM_HISTOGRAMS,
        RecordKind.CUSTOM_FLOAT_HISTOGRAMS,
    }
)
_SKIPPED = frozenset({RecordKind.EXEMPLARS, RecordKind.CHUNK_MARKERS})


class _Log:
    """The content of one log."""

    def __init__(self, folder: Path, read_errors: ReadErrors | None) -> None:
        self.series: dict[int, dict[str, str]] = {}
        self.deleted: dict[int, list[tuple[int, int]]] = {}
        self.metadata: dict[int, Metadata] = {}
        self.histograms = LoggedHistograms()
        parts: list[LoggedSamples] = []
        for path, records in read_records(segments_of(folder), read_errors):
            plain: list[bytes] = []
            for number, record in enumerate(records):
                if record[:1] == bytes([RecordKind.SAMPLES]):
                    plain.append(record)
                    continue
                try:
                    self._take(record)
                except (IndexError, struct.error, ValueError) as problem:
                    reason = str(problem) or "it is cut off"
                    note_or_raise(Corrupted(path, f"record {number}", reason), read_errors)
            try:
                parts.append(decode_logged(plain))
            except ValueError as problem:
                note_or_raise(Corrupted(path, "records of samples", str(problem)), read_errors)
        self.samples = LoggedSamples.joined(parts)

    def _take(self, record: bytes) -> None:
        kind = record[0] if record else 0
        if kind == RecordKind.SERIES:
            read_series(record, self.series)
        elif kind == RecordKind.TOMBSTONES:
            read_tombstones(record, self.deleted)
        elif kind == RecordKind.METADATA:
            read_metadata(record, self.metadata)
        elif kind in _HISTOGRAM_RECORDS:
            self.histograms.read(record)
        elif kind not in _SKIPPED:
            raise ValueError(f"records of kind {kind} are not known")


class Head:
    """A layer of a data directory, in memory.

    folder     the data directory
    blocks_ms  blocks have all in-order samples before this time

    Damaged parts are noted in `read_errors` and skipped, or raised as `Corrupted`.
    """

    def __init__(self, folder: Path, blocks_ms: int, read_errors: ReadErrors | None) -> None:
        log, late = _Log(folder / "wal", read_errors), _Log(folder / "wbl", read_errors)
        label_sets = {**log.series, **late.series}
        self._row_of = {reference: row for row, reference in enumerate(label_sets)}
        self._references = np.array(sorted(self._row_of), np.int64)
        self._rows = np.array([self._row_of[r] for r in self._references.tolist()], np.int64)
        self.series = SeriesTable.from_dicts(list(label_sets.values()))
        self.deleted: Deleted = {
            self._row_of[ref]: spans for ref, spans in log.deleted.items() if ref in self._row_of
        }
        self.metadata = {
            label_sets[ref][METRIC_NAME]: known
            for ref, known in log.metadata.items()
            if METRIC_NAME in label_sets.get(ref, {})
        }
        self._hold_chunks(self._chunks(folder / "chunks_head", blocks_ms, read_errors))
        in_chunks = np.full(len(self.series), blocks_ms - 1)
        in_order = ~self._late
        np.maximum.at(in_chunks, self._owner[in_order], self._last[in_order])
        self._hold_floats(log, late, in_chunks)
        self._hold_histograms(log, late, in_chunks)
        self.first_ms, self.last_ms = self._span()

    def _chunks(
        self, folder: Path, blocks_ms: int, read_errors: ReadErrors | None
    ) -> list[HeadChunk]:
        """The chunks of the head. A file may also have some that became a block: these still have
        samples that are deleted from the block, so they are left out."""
        if not folder.is_dir():
            return []
        files = sorted(path for path in folder.iterdir() if path.name.isdigit())
        for before, path in pairwise(files):
            note_gap(before, path, read_errors)
        found = [chunk for path in files for chunk in head_chunks(path, read_errors)]
        return [
            chunk
            for chunk in found
            if chunk.reference in self._row_of
            and (chunk.out_of_order or chunk.last_ms >= blocks_ms)
        ]

    def _hold_chunks(self, chunks: list[HeadChunk]) -> None:
        chunks.sort(key=lambda chunk: self._row_of[chunk.reference])
        self._chunk_list = chunks
        self._owner = np.array([self._row_of[chunk.reference] for chunk in chunks], np.int64)
        self._first = np.array([chunk.first_ms for chunk in chunks], np.int64)
        self._last = np.array([chunk.last_ms for chunk in chunks], np.int64)
        self._late = np.array([chunk.out_of_order for chunk in chunks], np.bool_)
        self._kinds = np.array([chunk.encoding for chunk in chunks], np.int64)
        counts = [int.from_bytes(chunk.data[:2], "big") for chunk in chunks]
        self._counts = np.array(counts, np.int64)
        self._chunk_offsets = _offsets(self._owner, len(self.series))

    def _hold_floats(self, log: _Log, late: _Log, in_chunks: Ints) -> None:
        rows, known = self._places(log.samples.references)
        fresh = known & (log.samples.times > in_chunks[rows])
        late_rows, late_known = self._places(late.samples.references)
        rows = np.concatenate([rows[fresh], late_rows[late_known]])
        stale = [
            (self._row_of[ref], time)
            for part in (log, late)
            for ref, time in part.histograms.stale
            if ref in self._row_of
        ]
        times = np.concatenate(
            [log.samples.times[fresh], late.samples.times[late_known], [t for _, t in stale]]
        ).astype(np.int64)
        values = np.concatenate(
            [log.samples.values[fresh], late.samples.values[late_known], np.full(len(stale), STALE)]
        )
        rows = np.concatenate([rows, [row for row, _ in stale]]).astype(np.int64)
        order = np.lexsort((times, rows))
        self._float_rows, self._float_times = rows[order], times[order]
        self._float_values = values[order]
        self._float_offsets = _offsets(self._float_rows, len(self.series))

    def _hold_histograms(self, log: _Log, late: _Log, in_chunks: Ints) -> None:
        parts = []
        for part, limit in ((log, in_chunks), (late, None)):
            references, times, histograms = part.histograms.columns()
            rows, known = self._places(references)
            if limit is not None:
                known &= times > limit[rows]
            some = np.flatnonzero(known)
            order = some[np.lexsort((times[some], rows[some]))]
            parts.append(HistogramSamples(rows, times, histograms).take(order))
        self._native = [part for part in parts if len(part.timestamps)]

    def _places(self, references: Ints) -> tuple[Ints, Bools]:
        """Rows of series, and whether each reference is known."""
        if len(self._references) == 0:
            return np.zeros(len(references), np.int64), np.zeros(len(references), np.bool_)
        place = np.searchsorted(self._references, references)
        place = np.minimum(place, len(self._references) - 1)
        return self._rows[place], self._references[place] == references

    def _span(self) -> tuple[int, int]:
        firsts = [self._first, self._float_times, *(part.timestamps for part in self._native)]
        lasts = [self._last, self._float_times, *(part.timestamps for part in self._native)]
        low = min((int(times.min()) for times in firsts if len(times)), default=0)
        return low, max((int(times.max()) for times in lasts if len(times)), default=-1)

    def sample_counts(self, rows: Ints, start_ms: int, end_ms: int) -> RowCounts:
        """As `Block.sample_counts`."""
        owner, chunk = self._chunks_between(rows, start_ms, end_ms)
        spans = (self._first[chunk], self._last[chunk])
        kinds, counts = self._kinds[chunk], self._counts[chunk]
        found = row_counts(len(rows), owner, kinds, counts, spans, (start_ms, end_ms))
        floats, histograms = found.floats, found.histograms
        place, at = self._floats_of(rows)
        times = self._float_times[at]
        hit = (times >= start_ms) & (times <= end_ms)
        floats += np.bincount(place[hit], minlength=len(rows))
        for native in self._native:
            some = np.isin(native.series_index, rows)
            some &= (native.timestamps >= start_ms) & (native.timestamps <= end_ms)
            where = _place_in(rows, native.series_index[some])
            histograms += np.bincount(where, minlength=len(rows))
        return found

    def samples(
        self, rows: Ints, start_ms: int, end_ms: int, read_errors: ReadErrors | None
    ) -> ChunkSamples:
        """As `Block.samples`."""
        owner, chunk = self._chunks_between(rows, start_ms, end_ms)
        found = self._decoded(chunk, owner, read_errors)
        place, at = self._floats_of(rows)
        parts = [] if found.native is None else [found.native]
        for native in self._native:
            some = np.flatnonzero(np.isin(native.series_index, rows))
            if len(some):
                where = _place_in(rows, native.series_index[some])
                parts.append(native.take(some, where))
        joined = ChunkSamples(
            np.concatenate([found.rows, place]),
            np.concatenate([found.times, self._float_times[at]]),
            np.concatenate([found.values, self._float_values[at]]),
            joined_native([(part, 0) for part in parts]),
        )
        return without_deleted(joined, rows, self.deleted)

    def _decoded(self, chunk: Ints, owner: Ints, read_errors: ReadErrors | None) -> ChunkSamples:
        picked = [self._chunk_list[number] for number in chunk.tolist()]
        while True:
            kinds = np.array([one.encoding for one in picked], np.int64)
            try:
                return samples_of([one.data for one in picked], kinds, owner)
            except BrokenChunk as problem:
                bad = picked.pop(problem.number)
                owner = np.delete(owner, problem.number)
                damage = Corrupted(bad.path, f"chunk at byte {bad.at}", str(problem))
                note_or_raise(damage, read_errors)

    def _chunks_between(self, rows: Ints, start_ms: int, end_ms: int) -> tuple[Ints, Ints]:
        begin = self._chunk_offsets[rows]
        owner, chunk = runs(begin, self._chunk_offsets[rows + 1] - begin)
        hit = (self._last[chunk] >= start_ms) & (self._first[chunk] <= end_ms)
        return owner[hit], chunk[hit]

    def _floats_of(self, rows: Ints) -> tuple[Ints, Ints]:
        begin = self._float_offsets[rows]
        return runs(begin, self._float_offsets[rows + 1] - begin)


def _offsets(owner: Ints, rows: int) -> Ints:
    return np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=rows))]).astype(np.int64)


def _place_in(rows: Ints, wanted: Ints) -> Ints:
    """The position of each row of `wanted` in `rows`."""
    order = np.argsort(rows)
    return order[np.searchsorted(rows[order], wanted)]
