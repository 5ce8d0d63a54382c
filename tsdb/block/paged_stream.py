"""Times or values in pages on disk: pieces of pages, brought together or written where they go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from tsdb.block.format import PAGE, TIME_PAGE
from tsdb.block.pages import READ_AHEAD, TIMES, Page, Pages
from tsdb.codec.columns import Undecodable
from tsdb.codec.compiled import MARGIN, NANS, OTHER, Compiled, ready
from tsdb.codec.open_page import OpenPage
from tsdb.codec.row_heads import scratch
from tsdb.codec.whole_numbers import POWERS
from tsdb.labels import Bools, Ints
from tsdb.side_by_side import side_by_side
from tsdb.stratum import ArrayStream, copy_pieces, flat_positions, move_pieces
from tsdb.tile import Floats

_READ_OVER = 1 << 14
"""So many bytes that nobody wants are read rather than skipped."""
_NOTHING = bytes(MARGIN)
MANY = 12
"""Of so many pages that one reader wants none is kept: what it makes of them is."""
MOST_GROUPS = 1024
LEAST_STRETCH, MOST_STRETCH = 4, 16
"""So many pages are decoded by a thread before it looks for more work, …"""
WORTH_A_THREAD = 12
"""… if there are so many: each takes about a tenth of a millisecond."""
_UNFOLDED = (PAGE, TIME_PAGE)


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
        if (
            len(starts)
            and page[0] == last[0]
            and bool((page == last[0]).all() and (last == page).all())
        ):
            return self._place_one(out, places, starts, lengths, page.item(0), keep=keep)
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
        compiled = ready(int(taken.sum())) if self.coded and self.kind in _UNFOLDED else None

        def some(first: int, last: int) -> bool:
            unknown = False
            left, leaves = numbers[first:last], mostly[first:last]
            if compiled is not None:
                done, unknown = self._unfold(
                    compiled, left, leaves, bounds[first : last + 1], places, local, lengths, out
                )
                left, leaves = left[~done], leaves[~done]
            for number, page in self._one_by_one(left, leaves):
                begin, end = pieces[number]
                to, origin, sizes = places[begin:end], local[begin:end], lengths[begin:end]
                unknown |= self._move(out, to, page, origin, sizes, number)
            return unknown

        return _in_stretches(len(numbers), some, alone=self.kind in TIMES)

    def _place_one(
        self,
        out: Ints | Floats,
        places: Ints,
        starts: Ints,
        lengths: Ints,
        number: int,
        *,
        keep: bool,
    ) -> bool:
        """`place` where all pieces are of one page."""
        first = self.first.item(number)
        page: Any = self.cache.get(self._key(number))
        if page is None:
            leaves = not keep or 2 * int(lengths.sum()) >= self.first.item(number + 1) - first
            page = self._checked(number, self._read(number, number + 1), passing=leaves)
            if not leaves:
                self.cache.put(self._key(number), page)
        return self._move(out, places, page, starts - first, lengths, number)

    def _move(
        self, out: Ints | Floats, places: Ints, page: Page, starts: Ints, lengths: Ints, number: int
    ) -> bool:
        """Pieces of a page to their places; whether a NaN may be among them."""
        if isinstance(page, OpenPage):
            try:
                return page.place(out.view(np.float64), places, starts, lengths)
            except Undecodable as problem:
                raise self._undecodable(number, problem) from problem
        assert isinstance(page, np.ndarray)
        move_pieces(out, places, page, starts, lengths)
        if self.kind in TIMES:
            return False
        with np.errstate(invalid="ignore", over="ignore"):  # a marker is a signalling NaN
            return bool(np.isnan(np.add.reduce(page)))

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
        missing = np.array(
            [
                at
                for at, (page, leaves) in enumerate(
                    zip(numbers.tolist(), passing.tolist(), strict=True)
                )
                if leaves and self.cache.get(self._key(page)) is None
            ],
            np.int64,
        )
        if len(missing) == 0:
            return done, False
        left = numbers[missing]
        data, begins = self._together(left.tolist())
        pages = np.empty((len(left), 5), np.int64)
        pages[:, 0], pages[:, 1] = begins, begins + self.offset[left + 1] - self.offset[left]
        pages[:, 2] = self.first[left + 1] - self.first[left]
        pages[:, 3], pages[:, 4] = bounds[missing], bounds[missing + 1]
        states = np.empty(len(left), np.int64)
        given = np.frombuffer(data, np.uint8), pages, places, starts, lengths
        longest = int(pages[:, 2].max())
        if self.kind == TIME_PAGE:
            room = scratch("unfold", np.int64, 2 * longest)
            compiled.unfold_times(*given, room, out.view(np.int64), states)
        else:
            room = scratch("unfold", np.int64, longest + MOST_GROUPS)
            compiled.unfold(*given, POWERS, room, out.view(np.float64), states)
        done[missing] = states != OTHER
        return done, bool((states == NANS).any())

    def _together(self, pages: list[int]) -> tuple[bytes, Ints]:
        """Bytes that these pages, checked, are among, and `MARGIN` more; where each page begins."""
        found: list[bytes] = []
        begins: list[int] = []
        base = 0
        for some in _spans(pages, self.offset):
            origin, end = int(self.offset[some[0]]), int(self.offset[some[-1] + 1])
            data = self._read(some[0], some[-1] + 1)
            for page in some:
                begin = self.offset.item(page) - origin
                self._check(page, data[begin : self.offset.item(page + 1) - origin])
                begins.append(base + begin)
            found.append(data)
            base += end - origin
        found.append(_NOTHING)
        return b"".join(found), np.array(begins)

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
    some = min(max(pages // 8, LEAST_STRETCH), MOST_STRETCH)
    side_by_side(
        -(-pages // some),
        lambda number: work(some * number, min(some * (number + 1), pages)),
        found.append,
        alone=False,
    )
    return any(found)


def _spans(pages: list[int], offset: Ints) -> list[list[int]]:
    """The pages, those together that have little between them."""
    spans: list[list[int]] = []
    for page in pages:
        begin = offset.item(page)
        if (
            spans
            and begin - offset.item(spans[-1][-1] + 1) <= _READ_OVER
            and begin - offset.item(spans[-1][0]) < READ_AHEAD
        ):
            spans[-1].append(page)
        else:
            spans.append([page])
    return spans
