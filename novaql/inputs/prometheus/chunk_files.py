"""Files of chunks: segments of a block, and the chunks that a head has written out."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from pathlib import Path

import google_crc32c
import numpy as np

from novaql.inputs.prometheus.varints import Octets, uvarints
from novaql.tsdb.errors import Corrupted, UnknownFormat
from novaql.tsdb.model.labels import Ints
from novaql.tsdb.model.read_errors import ReadErrors

_BLOCK_MAGIC, _HEAD_MAGIC = 0x85BD40DD, 0x0130BC91
HEADER = 8
_CRC = 4
_CHUNK_HEAD = 25  # a reference, two times and the kind, before its size


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


class BlockChunks:
    """The chunks of a block. A place is the number of a file, above 32 bits, and a byte in it."""

    def __init__(self, folder: Path) -> None:
        paths = sorted(path for path in folder.iterdir() if path.name.isdigit())
        self._files = [ChunkSegment(path, _BLOCK_MAGIC) for path in paths]
        self._folder = folder

    def counts(self, places: Ints) -> tuple[Ints, Ints]:
        """Kind and number of samples of each chunk, as its first bytes tell, unverified; 0 where
        there is no chunk."""
        out, kinds = np.zeros(len(places), np.int64), np.zeros(len(places), np.int64)
        for number, file in enumerate(self._files):
            some = np.flatnonzero(places >> 32 == number)
            if len(some) == 0:
                continue
            at = np.minimum(places[some] & 0xFFFF_FFFF, len(file.data) - 1)
            _, start = uvarints(file.data, at)
            start = np.minimum(start + 1, len(file.data) - 2)
            out[some] = file.data[start].astype(np.int64) << 8 | file.data[start + 1]
            kinds[some] = file.data[start - 1]
        return kinds, out

    def read(self, places: Ints, read_errors: ReadErrors | None) -> ReadChunks:
        """The bytes of some chunks. Damage is noted and left out, or else raised."""
        read = ReadChunks([], [], [])
        for number, place in enumerate(places.tolist()):
            try:
                encoding, data = self._one(place)
            except Corrupted as problem:
                if read_errors is None:
                    raise
                read_errors.note(problem)
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
        view = file.view
        size, start, shift = 0, at, 0
        while start < len(view) and shift < 35:
            byte = view[start]
            start += 1
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        end = start + 1 + size
        if end + _CRC > len(view):
            raise Corrupted(file.path, f"chunk at byte {at}", "it reaches beyond the end")
        # One call less than `extend` over the kind and the bytes: they stand side by side.
        stored = int.from_bytes(view[end : end + _CRC], "big")
        if google_crc32c.value(bytes(view[start:end])) != stored:
            raise Corrupted(file.path, f"chunk at byte {at}", "the checksum does not fit")
        return view[start], view[start + 1 : end]

    def place_name(self, place: int) -> tuple[Path, str]:
        """File and place of a chunk, for messages."""
        return self._files[place >> 32].path, f"chunk at byte {place & 0xFFFF_FFFF}"


@dataclass(slots=True)
class ReadChunks:
    """Chunks that could be read: their numbers among those asked for, kinds and bytes."""

    numbers: list[int]
    encodings: list[int]
    pieces: list[memoryview]


@dataclass(frozen=True, slots=True)
class HeadChunk:
    """A chunk that a head has written out. `out_of_order`: of samples that came late."""

    reference: int
    first_ms: int
    last_ms: int
    encoding: int
    out_of_order: bool
    path: Path
    at: int
    data: memoryview


def head_chunks(path: Path, read_errors: ReadErrors | None) -> list[HeadChunk]:
    """All chunks of one file of `chunks_head`, up to where it was not written any further.

    What is damaged is noted, and left out with everything behind it, or else raised.
    """
    if path.stat().st_size < HEADER:
        return []  # begun, and nothing written yet
    file = ChunkSegment(path, _HEAD_MAGIC)
    found: list[HeadChunk] = []
    at = HEADER
    while at + _CHUNK_HEAD < len(file.view) and any(file.view[at : at + _CHUNK_HEAD]):
        try:
            chunk, at = _head_chunk(file, at)
        except Corrupted as problem:
            if read_errors is None:
                raise
            read_errors.note(problem)
            break
        found.append(chunk)
    return found


def _head_chunk(file: ChunkSegment, at: int) -> tuple[HeadChunk, int]:
    """The chunk at a place, and the place behind it."""
    view, place = file.view, f"chunk at byte {at}"
    size, start, shift = 0, at + _CHUNK_HEAD, 0
    while start < len(view) and shift < 35:
        byte = view[start]
        start += 1
        size |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    end = start + size
    if end + _CRC > len(view):
        raise Corrupted(file.path, place, "it reaches beyond the end")
    stored = int.from_bytes(view[end : end + _CRC], "big")
    if google_crc32c.value(bytes(view[at:end])) != stored:
        raise Corrupted(file.path, place, "the checksum does not fit")
    reference, first, last = (
        int.from_bytes(view[at + b : at + b + 8], "big", signed=True) for b in (0, 8, 16)
    )
    kind = view[at + 24]
    late = bool(kind & 0x80)
    chunk = HeadChunk(reference, first, last, kind & 0x7F, late, file.path, at, view[start:end])
    return chunk, end + _CRC
