"""A stream of numbers in pages on disk; pages are verified and decoded on demand."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.tsdb.block.format import (
    MOST_ROLLUPS,
    NATIVE_START_PAGE,
    NATIVE_TIME_PAGE,
    START_PAGE,
    TIME_PAGE,
    cell_page,
)
from novaql.tsdb.block.open_files import BlockFile
from novaql.tsdb.codec.columns import Undecodable, decode_numbers
from novaql.tsdb.codec.numba.decoder import OpenPage
from novaql.tsdb.codec.pages import decode_times, decode_values, open_values
from novaql.tsdb.codec.starts import decode_starts
from novaql.tsdb.disk.checksum import checksum
from novaql.tsdb.errors import Corrupted, Unreadable
from novaql.tsdb.model.histograms import Histograms
from novaql.tsdb.model.labels import Bools, Ints
from novaql.tsdb.model.read_errors import DAMAGE, ReadErrors
from novaql.tsdb.model.samples import Floats
from novaql.tsdb.runtime.lru_cache import ByteCache

Page = Ints | Floats | Histograms | OpenPage
PageCache = ByteCache[Page]

READ_AHEAD = 1 << 20
"""Approximate bytes of one read."""
_OF_GRIDS = ("times", "firsts", "sizes")
TIMES = {
    TIME_PAGE,
    NATIVE_TIME_PAGE,
    *(cell_page(n, what) for n in range(MOST_ROLLUPS) for what in _OF_GRIDS),
}


@dataclass(frozen=True, slots=True, eq=False)
class Pages:
    """Pages of a file.

    first     [P + 1] index of the first value of each page, and the number of all values
    offset    [P + 1] where each page begins in the file, and where the last one ends
    checksums [P]
    coded     whether these are pages of format 3
    """

    file: BlockFile
    path: Path
    identity: bytes
    kind: bytes
    first: Ints
    offset: Ints
    checksums: Ints
    cache: PageCache
    coded: bool

    def _decoded(self, numbers: list[int]) -> list[Any]:
        found: dict[int, Any] = {}
        missing: list[int] = []
        for page in numbers:
            cached = self.cache.get(self._key(page))
            if cached is None:
                missing.append(page)
            else:
                found[page] = cached
        for page, data in self._data(missing):
            found[page] = self._checked(page, data)
            self.cache.put(self._key(page), found[page])
        return [self._whole(page, found[page]) for page in numbers]

    def _whole(self, number: int, page: Page) -> Any:
        if not isinstance(page, OpenPage):
            return page
        try:
            return page.values()
        except Undecodable as problem:
            raise self._undecodable(number, problem) from problem

    def _data(self, pages: list[int]) -> Iterator[tuple[int, bytes]]:
        """Return the bytes of each of these pages."""
        for begin, end in _runs(pages, self.offset):
            data = self._read(begin, end)
            bounds = (self.offset[begin : end + 1] - self.offset[begin]).tolist()
            for page, (first, last) in zip(range(begin, end), pairwise(bounds), strict=True):
                yield page, data[first:last]

    def readable_mask(self, places: Ints, read_errors: ReadErrors) -> Bools:
        """See `Stream.readable_mask`. Reads single pages, since one read may span good and damaged
        ones."""
        page = self.first.searchsorted(places, side="right") - 1
        bad = []
        for number in np.unique(page).tolist():
            try:
                self._decoded([number])
            except DAMAGE as problem:
                read_errors.note(problem)
                bad.append(number)
        return ~np.isin(page, bad)

    def _key(self, page: int) -> Hashable:
        return (self.identity, self.kind, page)

    def _read(self, begin: int, end: int, *, more: int = 0) -> bytes:
        """Return the bytes of these pages, and `more` bytes after them if the file has them."""
        offset = int(self.offset[begin])
        try:
            return self.file.opened().pread(offset, int(self.offset[end]) - offset + more)
        except OSError as problem:
            raise Unreadable(self.path, self._place(begin), problem) from problem

    def _place(self, page: int) -> str:
        return f"{self.kind.decode()} page {page}"

    def _check(self, page: int, data: bytes) -> None:
        if checksum(self.identity, self.kind, page, data) != self.checksums.item(page):
            raise Corrupted(self.path, self._place(page), "checksum differs")

    def _checked(self, page: int, data: bytes, *, passing: bool = False) -> Any:
        self._check(page, data)
        first, end = self.first[page : page + 2].tolist()
        try:
            return self._decode(data, end - first, passing=passing)
        except Undecodable as problem:
            raise self._undecodable(page, problem) from problem

    def _undecodable(self, page: int, problem: Undecodable) -> Corrupted:
        return Corrupted(self.path, self._place(page), str(problem))

    def _decode(self, data: bytes, count: int, *, passing: bool) -> Any:
        """Raises `Undecodable`."""
        if self.kind in (START_PAGE, NATIVE_START_PAGE):
            return decode_starts(data, count)
        if self.kind in TIMES:
            if self.coded:
                return decode_times(data, count)
            return decode_numbers(data, np.int64, count).view(np.int64)
        if self.coded:
            opened = open_values(data, count, passing=passing)
            return decode_values(data, count, passing=passing) if opened is None else opened
        return decode_numbers(data, np.float64, count).view(np.float64)


def _runs(pages: list[int], offset: Ints) -> list[tuple[int, int]]:
    """Group adjacent pages as (first, one past last), in reads of about `READ_AHEAD` bytes."""
    runs: list[tuple[int, int]] = []
    for page in pages:
        if runs and runs[-1][1] == page and offset[page] - offset[runs[-1][0]] < READ_AHEAD:
            runs[-1] = (runs[-1][0], page + 1)
        else:
            runs.append((page, page + 1))
    return runs
