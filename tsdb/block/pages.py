"""A stream of numbers in pages on disk; pages are checked and decoded when touched."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from tsdb.block.format import (
    MOST_ROLLUPS,
    NATIVE_START_PAGE,
    NATIVE_TIME_PAGE,
    PAGE,
    START_PAGE,
    TIME_PAGE,
    cell_page,
)
from tsdb.cache import ByteCache
from tsdb.codec.checksum import checksum
from tsdb.codec.columns import Undecodable, decode_numbers
from tsdb.codec.compiled import MARGIN, NANS, OTHER, Compiled, ready
from tsdb.codec.open_page import OpenPage
from tsdb.codec.pages import decode_times, decode_values, open_values
from tsdb.codec.row_heads import scratch
from tsdb.codec.starts import decode_starts
from tsdb.codec.whole_numbers import POWERS
from tsdb.damage import DAMAGE, Losses
from tsdb.errors import Corrupted, Unreadable
from tsdb.fsio import ReadFile
from tsdb.histograms import Histograms
from tsdb.labels import Bools, Ints
from tsdb.side_by_side import side_by_side
from tsdb.stratum import ArrayStream, copy_pieces, flat_positions, move_pieces
from tsdb.tile import Floats

Page = Ints | Floats | Histograms | OpenPage
PageCache = ByteCache[Page]

_READ_AHEAD = 1 << 20
MANY = 12
"""Of so many pages that one reader wants none is kept: what it makes of them is."""
MOST_GROUPS = 1024
STRETCH = 4
"""So many pages are decoded by a thread before it looks for more work, …"""
WORTH_A_THREAD = 12
"""… if there are so many: each takes about a tenth of a millisecond."""
_OF_GRIDS = ("times", "firsts", "sizes")
_TIMES = {
    TIME_PAGE,
    NATIVE_TIME_PAGE,
    *(cell_page(n, what) for n in range(MOST_ROLLUPS) for what in _OF_GRIDS),
}
_UNFOLDED = (PAGE, TIME_PAGE)


def page_bytes(page: Page) -> int:
    return page.nbytes


@dataclass(frozen=True, slots=True, eq=False)
class Pages:
    """Pages of a file.

    first     [P + 1] number of the first value of each page, and of all values
    offset    [P + 1] where each page begins in the file, and where the last one ends
    checksums [P]
    coded     whether these are pages of format 3
    """

    file: ReadFile
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
            kept = self.cache.get(self._key(page))
            if kept is None:
                missing.append(page)
            else:
                found[page] = kept
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
        """The bytes of each of these pages."""
        for begin, end in _runs(pages, self.offset):
            data = self._read(begin, end)
            bounds = (self.offset[begin : end + 1] - self.offset[begin]).tolist()
            for page, (first, last) in zip(range(begin, end), pairwise(bounds), strict=True):
                yield page, data[first:last]

    def sound(self, places: Ints, losses: Losses) -> Bools:
        """As that of `Stream`: page by page, since one read may span good pages and bad ones."""
        page = self.first.searchsorted(places, side="right") - 1
        bad = []
        for number in np.unique(page).tolist():
            try:
                self._decoded([number])
            except DAMAGE as problem:
                losses.note(problem)
                bad.append(number)
        return ~np.isin(page, bad)

    def _key(self, page: int) -> Hashable:
        return (self.identity, self.kind, page)

    def _read(self, begin: int, end: int, more: int = 0) -> bytes:
        """The bytes of these pages, and some more, as far as the file goes."""
        offset = int(self.offset[begin])
        try:
            return self.file.pread(offset, int(self.offset[end]) - offset + more)
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
        if self.kind in _TIMES:
            if self.coded:
                return decode_times(data, count)
            return decode_numbers(data, np.int64, count).view(np.int64)
        if self.coded:
            opened = open_values(data, count, passing=passing)
            return decode_values(data, count, passing=passing) if opened is None else opened
        return decode_numbers(data, np.float64, count).view(np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class PagedStream(Pages):
    """`Stream` over pages of a file."""

    def ints(self, starts: Ints, lengths: Ints) -> Ints:
        if len(starts) == 0:
            return np.empty(0, np.int64)
        local, numbers = self._pages_for(starts, lengths)
        return ArrayStream(numbers).ints(local, lengths)

    def floats(self, starts: Ints, lengths: Ints) -> Floats:
        if len(starts) == 0:
            return np.empty(0)
        local, numbers = self._pages_for(starts, lengths)
        return ArrayStream(numbers).floats(local, lengths)

    def fill(self, out: Floats, starts: Ints) -> None:
        page = self.first.searchsorted(starts, side="right") - 1
        if bool((starts + out.shape[1] > self.first[page + 1]).any()):  # some piece spans pages
            lengths = np.full(len(starts), out.shape[1])
            out[:] = self.floats(starts, lengths).reshape(out.shape)
            return
        begins = np.append(0, np.flatnonzero(page[1:] != page[:-1]) + 1)
        pages = page[begins].tolist()
        ends = [*begins[1:].tolist(), len(starts)]
        for number, decoded, begin, end in zip(
            pages, self._decoded(pages), begins.tolist(), ends, strict=True
        ):
            copy_pieces(out[begin:end], decoded, starts[begin:end] - self.first[number])

    def place(
        self, out: Ints | Floats, places: Ints, starts: Ints, lengths: Ints, *, keep: bool = True
    ) -> bool:
        """Page by page, each while it is in the processor's cache.

        Of a page most of which goes to `out` nothing is kept.
        """
        page = self.first.searchsorted(starts, side="right") - 1
        last = self.first.searchsorted(starts + lengths) - 1
        if bool((last > page).any()):  # pieces that span pages are cut where these end
            piece = np.repeat(np.arange(len(starts)), last - page + 1)
            page = flat_positions(page, last - page + 1)
            begins = np.maximum(starts[piece], self.first[page])
            ends = np.minimum((starts + lengths)[piece], self.first[page + 1])
            places = places[piece] + begins - starts[piece]
            starts, lengths = begins, ends - begins
        if bool((page[1:] < page[:-1]).any()):
            order = np.argsort(page, kind="stable")
            page, places, starts, lengths = (a[order] for a in (page, places, starts, lengths))
        bounds = np.append(np.flatnonzero(np.diff(page, prepend=-1)), len(page))
        numbers = page[bounds[:-1]]
        taken = np.add.reduceat(lengths, bounds[:-1]) if len(page) else lengths
        mostly = (2 * taken >= self.first[numbers + 1] - self.first[numbers]) | (not keep)
        mostly |= len(numbers) >= MANY
        local = starts - self.first[page]
        pieces = dict(zip(numbers.tolist(), pairwise(bounds.tolist()), strict=True))
        seen = bool(mostly.all())
        compiled = ready(int(taken.sum())) if self.coded and self.kind in _UNFOLDED else None

        def some(first: int, last: int) -> bool:
            unknown = False
            left, leaves = numbers[first:last], mostly[first:last]
            if compiled is not None:
                done, unknown = self._unfold(
                    compiled, left, leaves, bounds[first : last + 1], places, local, lengths, out
                )
                left, leaves = left[~done], leaves[~done]
            with np.errstate(invalid="ignore", over="ignore"):  # a marker is a signalling NaN
                for number, page in self._one_by_one(left, leaves):
                    begin, end = pieces[number]
                    to, origin, sizes = places[begin:end], local[begin:end], lengths[begin:end]
                    if isinstance(page, OpenPage):
                        try:
                            nan = page.place(out.view(np.float64), to, origin, sizes)
                        except Undecodable as problem:
                            raise self._undecodable(number, problem) from problem
                        unknown = unknown or nan
                        continue
                    move_pieces(out, to, page, origin, sizes)
                    if self.kind not in _TIMES:
                        unknown = unknown or not seen or bool(np.isnan(np.add.reduce(page)))
            return unknown

        return _in_stretches(len(numbers), some, alone=self.kind in _TIMES)

    def _unfold(
        self,
        compiled: Compiled,
        numbers: Ints,
        passing: Bools,
        bounds: Ints,
        places: Ints,
        starts: Ints,
        lengths: Ints,
        out: Ints | Floats,
    ) -> tuple[Bools, bool]:
        """What `place` does with pages that nobody keeps, many in one call: which of `numbers` are
        done, and whether a NaN is among their values.

        bounds  [P + 1] which pieces are of each page
        """
        done = np.zeros(len(numbers), np.bool_)
        nan = False
        missing = [
            page
            for page, leaves in zip(numbers.tolist(), passing.tolist(), strict=True)
            if leaves and self.cache.get(self._key(page)) is None
        ]
        for begin, end in _runs(missing, self.offset):
            begins = self.offset[begin : end + 1] - self.offset[begin]
            size = int(begins[-1])
            data = self._read(begin, end, MARGIN)
            for page, (first, last) in zip(
                range(begin, end), pairwise(begins.tolist()), strict=True
            ):
                self._check(page, data[first : min(last, size)])
            if len(data) < size + MARGIN:  # the file ends here
                data += bytes(size + MARGIN - len(data))
            counts = np.diff(self.first[begin : end + 1])
            at = int(numbers.searchsorted(begin))
            states = np.empty(end - begin, np.int64)
            given = (
                np.frombuffer(data, np.uint8), begins, counts, bounds[at : at + end - begin + 1],
                places, starts, lengths,
            )  # fmt: skip
            if self.kind == TIME_PAGE:
                room = scratch("unfold", np.int64, 2 * int(counts.max()))
                compiled.unfold_times(*given, room, out.view(np.int64), states)
            else:
                room = scratch("unfold", np.int64, int(counts.max()) + MOST_GROUPS)
                compiled.unfold(*given, POWERS, room, out.view(np.float64), states)
            done[at : at + end - begin] = states != OTHER
            nan |= bool((states == NANS).any())
        return done, nan

    def _one_by_one(self, numbers: Ints, passing: Bools) -> Iterator[tuple[int, Any]]:
        """Decoded pages, those that are `passing` only until the next one is asked for."""
        missing: list[int] = []
        leaves: set[int] = set(numbers[passing].tolist())
        for page in numbers.tolist():
            kept = self.cache.get(self._key(page))
            if kept is None:
                missing.append(page)
            else:
                yield page, kept
        for page, data in self._data(missing):
            if page in leaves:
                yield page, self._checked(page, data, passing=True)
            else:
                decoded = self._checked(page, data)
                self.cache.put(self._key(page), decoded)
                yield page, decoded

    def _pages_for(self, starts: Ints, lengths: Ints) -> tuple[Ints, Ints | Floats]:
        """Touched pages joined, and where in them each piece begins."""
        ends = starts + lengths
        begin = int(self.first.searchsorted(starts.min(), side="right")) - 1
        end = int(self.first.searchsorted(ends.max()))
        if end - begin == 1:  # by far the most usual case for timestamps
            return starts - self.first[begin], self._decoded([begin])[0]
        first = self.first[begin : end + 1]
        low = first.searchsorted(starts, side="right") - 1
        high = first.searchsorted(ends)
        touched = np.bincount(low, minlength=len(first)) - np.bincount(high, minlength=len(first))
        pages = np.flatnonzero(touched.cumsum() > 0)
        sizes = first[pages + 1] - first[pages]
        begins = np.zeros(len(first), np.int64)
        begins[pages] = sizes.cumsum() - sizes
        decoded = self._decoded((pages + begin).tolist())
        joined: Any = decoded[0] if len(decoded) == 1 else np.concatenate(decoded)
        local: Ints = starts - first[low] + begins[low]
        return local, joined


def _in_stretches(pages: int, work: Callable[[int, int], bool], *, alone: bool) -> bool:
    """work(first, end) for all pages, a stretch of them at a time; whether any says so.

    alone  a page is too little work for other threads
    """
    if alone or pages < WORTH_A_THREAD:
        return work(0, pages)
    found: list[bool] = []
    side_by_side(
        -(-pages // STRETCH),
        lambda number: work(STRETCH * number, min(STRETCH * (number + 1), pages)),
        found.append,
        alone=False,
    )
    return any(found)


def _runs(pages: list[int], offset: Ints) -> list[tuple[int, int]]:
    """Neighbouring pages as (first, one past last), no run much longer than `_READ_AHEAD` bytes."""
    runs: list[tuple[int, int]] = []
    for page in pages:
        if runs and runs[-1][1] == page and offset[page] - offset[runs[-1][0]] < _READ_AHEAD:
            runs[-1] = (runs[-1][0], page + 1)
        else:
            runs.append((page, page + 1))
    return runs
