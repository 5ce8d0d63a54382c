"""One block of a Prometheus data directory: its series, its chunks, and its tombstones."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.inputs.prometheus.block_index import BlockIndex, read_index
from novaql.inputs.prometheus.chunk_bytes import BrokenChunk
from novaql.inputs.prometheus.chunk_files import BlockChunks
from novaql.inputs.prometheus.chunk_samples import ChunkSamples, samples_of
from novaql.inputs.prometheus.layer_batches import RowCounts, row_counts
from novaql.inputs.prometheus.varints import CHECKSUM, is_intact, runs, uvarint
from novaql.inputs.protobuf.wire import unzigzag
from novaql.tsdb.errors import Corrupted, UnknownFormat
from novaql.tsdb.model.labels import Ints, SeriesTable
from novaql.tsdb.model.read_errors import ReadErrors, note_or_raise

_TOMBSTONES_MAGIC = 0x0130BA30
Deleted = dict[int, list[tuple[int, int]]]
"""Row of the series table → ranges of time, both ends included."""


@dataclass(frozen=True, slots=True)
class BlockMeta:
    """The content of `meta.json`: times in milliseconds, the end not included.

    late  the block has out-of-order samples, so the log may have others of its time
    """

    ulid: str
    start_ms: int
    end_ms: int
    samples: int
    series: int
    chunks: int
    level: int
    sources: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()
    late: bool = False


def read_meta(folder: Path) -> BlockMeta:
    """Raises `Corrupted`, also for an unknown version."""
    path = folder / "meta.json"
    try:
        found = json.loads(path.read_bytes())
        stats, compaction = found.get("stats", {}), found.get("compaction", {})
        meta = BlockMeta(
            str(found["ulid"]),
            int(found["minTime"]),
            int(found["maxTime"]),
            int(stats.get("numSamples", 0)),
            int(stats.get("numSeries", 0)),
            int(stats.get("numChunks", 0)),
            int(compaction.get("level", 1)),
            tuple(compaction.get("sources", ())),
            tuple(parent["ulid"] for parent in compaction.get("parents") or ()),
            "from-out-of-order" in (compaction.get("hints") or ()),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise Corrupted(path, "the file", f"it does not describe a block: {problem}") from problem
    if found.get("version") != 1:
        raise UnknownFormat(path, "version", f"version {found.get('version')} is not known")
    return meta


class Block:
    """A layer of a data directory. Index and chunks are read at first use."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.meta = read_meta(folder)

    @property
    def first_ms(self) -> int:
        return self.meta.start_ms

    @property
    def last_ms(self) -> int:
        return self.meta.end_ms - 1

    @cached_property
    def index(self) -> BlockIndex:
        return read_index(self.folder / "index")

    @cached_property
    def chunks(self) -> BlockChunks:
        return BlockChunks(self.folder / "chunks")

    @cached_property
    def deleted(self) -> Deleted:
        return read_tombstones(self.folder / "tombstones", self.index.references)

    @property
    def series(self) -> SeriesTable:
        return self.index.series

    def chunks_between(self, rows: Ints, start_ms: int, end_ms: int) -> tuple[Ints, Ints]:
        """Chunks of some rows that overlap a range: position in `rows`, and number of the chunk."""
        index = self.index
        sizes = index.chunk_offsets[rows + 1] - index.chunk_offsets[rows]
        owner, chunk = runs(index.chunk_offsets[rows], sizes)
        hit = (index.last_ms[chunk] >= start_ms) & (index.first_ms[chunk] <= end_ms)
        return owner[hit], chunk[hit]

    def sample_counts(self, rows: Ints, start_ms: int, end_ms: int) -> RowCounts:
        """Estimates for rows in a range, from the first bytes of their chunks."""
        owner, chunk = self.chunks_between(rows, start_ms, end_ms)
        index = self.index
        kinds, counts = self.chunks.counts(index.places[chunk])
        first, last = index.first_ms[chunk], index.last_ms[chunk]
        return row_counts(len(rows), owner, kinds, counts, (first, last), (start_ms, end_ms))

    def samples(
        self, rows: Ints, start_ms: int, end_ms: int, read_errors: ReadErrors | None
    ) -> ChunkSamples:
        """Samples of all chunks that overlap the range. Their `rows` are positions in `rows`.

        Damaged chunks are noted and skipped, or raised as `Corrupted`.
        """
        owner, chunk = self.chunks_between(rows, start_ms, end_ms)
        places = self.index.places[chunk]
        read = self.chunks.read(places, read_errors)
        numbers = np.array(read.numbers, np.int64)
        pieces, kinds = list(read.pieces), np.array(read.encodings, np.int64)
        while True:
            try:
                found = samples_of(pieces, kinds, owner[numbers])
                return without_deleted(found, rows, self.deleted)
            except BrokenChunk as problem:
                at = problem.number
                path, place = self.chunks.place_name(int(places[numbers[at]]))
                note_or_raise(Corrupted(path, place, str(problem)), read_errors)
                del pieces[at]
                kinds, numbers = np.delete(kinds, at), np.delete(numbers, at)


def read_tombstones(path: Path, references: Ints) -> Deleted:
    """Deletions that the block still contains, by row. Raises `Corrupted`."""
    if not path.exists():
        return {}
    raw = path.read_bytes()
    if len(raw) < 9 or int.from_bytes(raw[:4], "big") != _TOMBSTONES_MAGIC or raw[4] != 1:
        raise Corrupted(path, "header", "this is no file of tombstones")
    body = raw[5:-CHECKSUM]
    if not is_intact(body, raw[-CHECKSUM:]):
        raise Corrupted(path, "the file", "the checksum does not fit")
    row_of = {reference: row for row, reference in enumerate(references.tolist())} if body else {}
    out: Deleted = {}
    at = 0
    while at < len(body):
        reference, at = uvarint(body, at)
        low, at = uvarint(body, at)
        high, at = uvarint(body, at)
        row = row_of.get(reference)
        if row is not None:
            out.setdefault(row, []).append((unzigzag(low), unzigzag(high)))
    return out


def without_deleted(found: ChunkSamples, rows: Ints, deleted: Deleted) -> ChunkSamples:
    """The samples that are not deleted. `found.rows`: positions in `rows`."""
    hit = [place for place, row in enumerate(rows.tolist()) if row in deleted] if deleted else []
    for place in hit:
        for low, high in deleted[int(rows[place])]:
            found = found.without(place, low, high)
    return found
