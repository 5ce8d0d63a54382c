"""Sections of a block's file: columns of numbers, read whole or in pieces, and verified."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from novaql.fast_dataclass import dataclass
from novaql.tsdb.block.format import SECTION, PieceSections, Section
from novaql.tsdb.codec.columns import Undecodable, decode_numbers
from novaql.tsdb.disk.checksum import checksum
from novaql.tsdb.disk.vfs import ReadFile
from novaql.tsdb.errors import Corrupted, Unreadable
from novaql.tsdb.model.labels import Ints
from novaql.tsdb.parts.lazy_ints import Pieces


@dataclass(frozen=True, slots=True)
class Sections:
    """Sections of one file. Reads raise `Corrupted` or `Unreadable`, with `place` in the message.

    opened    returns the file, which is opened at first use
    identity  of the block; part of all checksums
    grew      called with the bytes that each read of a `Pieces` adds to it
    """

    opened: Callable[[], ReadFile]
    path: Path
    identity: bytes
    grew: Callable[[int], None]

    def pieced(
        self,
        sections: PieceSections,
        dtype: type[np.generic],
        place: str,
        below: int | None = None,
        given: type[np.integer[Any]] = np.int64,
    ) -> Pieces:
        """Return numbers that are stored as `dtype`; `below` and `given` as in `Pieces`."""

        def make(piece: int) -> NDArray[Any]:
            count = min(sections.each, sections.count - piece * sections.each)
            try:
                numbers = decode_numbers(self.piece(sections, piece, place), dtype, count)
            except Undecodable as problem:
                raise Corrupted(self.path, place, str(problem)) from problem
            if below is not None and count and not 0 <= numbers.min() <= numbers.max() < below:
                raise Corrupted(self.path, place, f"a number is not below {below}")
            return numbers

        return Pieces(sections.count, sections.each, make, below, given, grew=self.grew)

    def piece(self, sections: PieceSections, piece: int, place: str) -> bytes:
        """Return the bytes of one piece."""
        length = sections.lengths[piece]
        offset = sections.offset + sum(sections.lengths[:piece])
        return self.section(Section(offset, length, 0, sections.checksums[piece]), place)

    def numbers(self, section: Section, dtype: type[np.generic], place: str) -> Ints:
        """Return whole numbers that are stored as `dtype`."""
        return self.column(section, dtype, place).astype(np.int64, copy=False)

    def column(self, section: Section, dtype: type[np.generic], place: str) -> NDArray[np.generic]:
        """Return numbers in the stored type."""
        try:
            return decode_numbers(self.section(section, place), dtype, section.count)
        except Undecodable as problem:
            raise Corrupted(self.path, place, str(problem)) from problem

    def section(self, section: Section, place: str) -> bytes:
        """Return the bytes of a section."""
        try:
            data = self.opened().pread(section.offset, section.length)
        except OSError as problem:
            raise Unreadable(self.path, place, problem) from problem
        if checksum(self.identity, SECTION, section.offset, data) != section.checksum:
            raise Corrupted(self.path, place, "checksum differs")
        return data
