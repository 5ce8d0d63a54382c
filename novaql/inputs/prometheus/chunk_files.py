"""Files of chunks: the segments of a block, and those of the head."""

from __future__ import annotations

import mmap
from copy import copy
from pathlib import Path
from struct import Struct

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.inputs.prometheus.varints import CHECKSUM, Octets, is_intact, uvarint, uvarints
from novaql.tsdb.errors import Corrupted, UnknownFormat
from novaql.tsdb.model.labels import Ints
from novaql.tsdb.model.read_errors import ReadErrors, note_or_raise

_BLOCK_MAGIC, _HEAD_MAGIC = 0x85BD40DD, 0x0130BC91
HEADER = 8
_HEAD = Struct(">qqqB")  # of a chunk of the head: reference, two times, kind


class ChunkSegment:
    """One file, mapped into memory. `data`: its bytes."""

    def __init__(self, path: Path, magic: int) -> None:
        self.path = path
        with path.open("rb") as file:
            size = file.seek(0, 2)
            if size < HEADER:
                raise Corrupted(path, "header", "the file is cut off")
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        if int.from_bytes(self._map[:4], "big") != magic:
            raise Corrupted(path, "header", "this is no file of Prometheus chunks")
        if self._map[4] != 1:
            raise UnknownFormat(path, "header", f"version {self._map[4]} is not known")
        self.data: Octets = np.frombuffer(self._map, np.uint8)
        self.view = memoryview(self._map)

    def verified(self, chunk: int, begin: int, end: int) -> memoryview:
        """The bytes of a chunk that are before its checksum. Raises `Corrupted`.

        chunk  where the chunk begins
        """
        content, stored = self.view[begin:end], self.view[end : end + CHECKSUM]
        if end + CHECKSUM > len(self.view):
            raise Corrupted(self.path, f"chunk at byte {chunk}", "it reaches beyond the end")
        if not is_intact(bytes(content), stored):
            raise Corrupted(self.path, f"chunk at byte {chunk}", "the checksum does not fit")
        return content


class BlockChunks:
    """The chunks of a block. Places: see `BlockIndex`."""

    def __init__(self, folder: Path) -> None:
        there = folder.iterdir() if folder.is_dir() else ()
        self._files = [_opened(path) for path in sorted(there) if path.name.isdigit()]
        self._folder = folder

    def counts(self, places: Ints) -> tuple[Ints, Ints]:
        """Kind and number of samples of each chunk, from its first bytes, without verification.

        The number is at least 1, also for a chunk that is missing or damaged: it has to be read,
        which reports the damage.
        """
        out, kinds = np.zeros(len(places), np.int64), np.zeros(len(places), np.int64)
        for number, file in enumerate(self._files):
            some = np.flatnonzero(places >> 32 == number)
            if len(some) == 0 or isinstance(file, Corrupted):
                continue
            at = np.minimum(places[some] & 0xFFFF_FFFF, len(file.data) - 1)
            _, start = uvarints(file.data, at)
            start = np.minimum(start + 1, len(file.data) - 2)
            out[some] = file.data[start].astype(np.int64) << 8 | file.data[start + 1]
            kinds[some] = file.data[start - 1]
        return kinds, np.maximum(out, 1)

    def read(self, places: Ints, read_errors: ReadErrors | None) -> ReadChunks:
        """The bytes of some chunks. Damaged ones are noted and skipped, or raised."""
        read = ReadChunks([], [], [])
        for number, place in enumerate(places.tolist()):
            try:
                encoding, data = self._one(place)
            except Corrupted as problem:
                note_or_raise(problem, read_errors)
                continue
            read.numbers.append(number)
            read.encodings.append(encoding)
            read.pieces.append(data)
        return read

    def _one(self, place: int) -> tuple[int, memoryview]:
        segment, at = place >> 32, place & 0xFFFF_FFFF
        if segment >= len(self._files):
            raise Corrupted(self._folder, f"file {segment + 1}", "the file is not there")
        file = self._files[segment]
        if isinstance(file, Corrupted):
            raise copy(file)
        size, start = uvarint(file.view, at)
        end = start + 1 + size
        content = file.verified(at, start, end)
        return content[0], content[1:]

    def place_name(self, place: int) -> tuple[Path, str]:
        """File and position of a chunk, for messages."""
        return self._files[place >> 32].path, f"chunk at byte {place & 0xFFFF_FFFF}"


def _opened(path: Path) -> ChunkSegment | Corrupted:
    """A file of a block, or why it cannot be read."""
    try:
        return ChunkSegment(path, _BLOCK_MAGIC)
    except Corrupted as problem:
        return problem


@dataclass(slots=True)
class ReadChunks:
    """The readable chunks: their indexes among the requested ones, kinds and bytes."""

    numbers: list[int]
    encodings: list[int]
    pieces: list[memoryview]


@dataclass(frozen=True, slots=True)
class HeadChunk:
    """A chunk of the head. `out_of_order`: of samples that arrived late."""

    reference: int
    first_ms: int
    last_ms: int
    encoding: int
    out_of_order: bool
    path: Path
    at: int
    data: memoryview


def head_chunks(path: Path, read_errors: ReadErrors | None) -> list[HeadChunk]:
    """All chunks of one file of `chunks_head`, up to its end or its first zeros.

    A damaged chunk is noted, and skipped with all after it, or raised.
    """
    if path.stat().st_size < HEADER:
        return []  # its header is not written yet
    file = ChunkSegment(path, _HEAD_MAGIC)
    found: list[HeadChunk] = []
    at = HEADER
    while at + _HEAD.size < len(file.view) and any(file.view[at : at + _HEAD.size]):
        try:
            chunk, at = _head_chunk(file, at)
        except Corrupted as problem:
            note_or_raise(problem, read_errors)
            break
        found.append(chunk)
    return found


def _head_chunk(file: ChunkSegment, at: int) -> tuple[HeadChunk, int]:
    """The chunk at a position, and the position after it."""
    size, start = uvarint(file.view, at + _HEAD.size)
    end = start + size
    content = file.verified(at, at, end)
    reference, first, last, kind = _HEAD.unpack_from(content)
    late = bool(kind & 0x80)
    data = content[start - at :]
    chunk = HeadChunk(reference, first, last, kind & 0x7F, late, file.path, at, data)
    return chunk, end + CHECKSUM
