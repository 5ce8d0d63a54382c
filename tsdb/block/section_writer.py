"""Writes the sections of a block: columns of numbers and texts, whole or in pieces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from novaql.tsdb.block.format import (
    SECTION,
    GridSections,
    LabelSections,
    PieceSections,
    Section,
)
from novaql.tsdb.codec.columns import COMPACTION_LEVEL, encode_numbers, encode_texts
from novaql.tsdb.disk.checksum import checksum
from novaql.tsdb.disk.vfs import AppendFile
from novaql.tsdb.model.labels import Ints, LabelColumn

PIECE = 1 << 14
"""Numbers or texts in a piece: a read takes some 50 µs, and its header is negligible."""


class SectionWriter:
    def __init__(self, file: AppendFile, identity: bytes) -> None:
        self._file, self._identity = file, identity

    def numbers(self, numbers: NDArray[Any]) -> Section:
        data = encode_numbers(numbers, COMPACTION_LEVEL)
        offset, crc = self._append(data)
        return Section(offset, len(data), len(numbers), crc)

    def pieces(self, numbers: NDArray[Any]) -> PieceSections:
        return self._pieces(
            len(numbers),
            lambda begin, end: encode_numbers(numbers[begin:end], COMPACTION_LEVEL),
        )

    def grids(self, grid_of: Ints, length: Ints, first: Ints, last: Ints) -> GridSections:
        """grid_of: [series]; of each grid: number of times, first and last time."""
        return GridSections(
            self.pieces(grid_of.astype(np.uint32)),
            bases(length[grid_of]),
            self.pieces(length),
            self.pieces(first),
            self.pieces(last),
            bases(length),
        )

    def label(self, name: str, column: LabelColumn) -> LabelSections:
        tidy = column.compacted()
        codes = tidy.codes
        by_codes = by_starts = None
        if bool((codes[1:] >= codes[:-1]).all()):
            begins = np.searchsorted(codes, np.arange(len(tidy.values) + 1))
            by_starts = self.pieces(begins.astype(np.uint32))
        else:
            by_codes = self.pieces(codes.astype(np.uint32))
        texts = tidy.values[1:]
        sections = self._pieces(len(texts), lambda begin, end: encode_texts(texts[begin:end]))
        return LabelSections(name, by_codes, by_starts, sections, texts[::PIECE])

    def _pieces(self, count: int, encode: Callable[[int, int], bytes]) -> PieceSections:
        begin = self._file.size
        written: list[tuple[int, int]] = []
        for at in range(0, count, PIECE):
            data = encode(at, min(at + PIECE, count))
            written.append((len(data), self._append(data)[1]))
        lengths, checksums = zip(*written, strict=True) if written else ((), ())
        return PieceSections(begin, count, PIECE, lengths, checksums)

    def _append(self, data: bytes) -> tuple[int, int]:
        offset = self._file.size
        self._file.append([data])
        return offset, checksum(self._identity, SECTION, offset, data)


def bases(lengths: Ints) -> tuple[int, ...]:
    """Return where the first range of each piece begins, for adjacent ranges of these lengths."""
    return tuple((np.cumsum(lengths) - lengths)[::PIECE].tolist())
