"""Times or values in pages on disk; ranges of them are returned flat, or copied to their place."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.tsdb.block.format import PAGE, TIME_PAGE
from novaql.tsdb.block.pages import TIMES, Page, Pages
from novaql.tsdb.codec.columns import Undecodable
from novaql.tsdb.codec.numba.decoder import (
    MARGIN,
    OpenPage,
    copy_pieces,
    decode_pages,
    ready,
)
from novaql.tsdb.model.flat_arrays import flat_positions, portions
from novaql.tsdb.model.labels import Bools, Ints
from novaql.tsdb.model.samples import Floats
from novaql.tsdb.parts.sorted_run import (
    MANY_PAGES,
    ArrayStream,
    CopyPlan,
    CopyRanges,
    PageRanges,
    Stream,
    move_pieces,
)

_READ_OVER = 1 << 14
"""Gaps of up to this many bytes between pages are read rather than skipped."""
NOWHERE = np.empty(0, np.int64)
MIN_TASK_VALUES, MAX_TASK_VALUES = 1 << 16, 1 << 18
"""Bounds of the values that a thread decodes as one task: at most about a millisecond."""
_UNFOLDED = (PAGE, TIME_PAGE)


@dataclass(frozen=True, slots=True, eq=False)
class PagedStream(Pages, Stream):
    """A stream over pages of a file."""

    def read(self, starts: Ints, lengths: Ints) -> Ints | Floats:
        if len(starts) == 0:
            return NOWHERE
        local, numbers = self._pages_for(starts, lengths)
        return ArrayStream(numbers).read(local, lengths)

    def plan_copy(
        self, out: Ints | Floats, ranges: CopyRanges, *, cached_pages: int = MANY_PAGES
    ) -> CopyPlan:
        """Tasks of some pages each, which are copied while they are in the processor's cache.

        Pages of which most is copied to `out` are not cached.
        """
        if len(ranges.starts) == 0:
            return CopyPlan([], 0)
        by_page = ranges.by_page
        if by_page is None:
            by_page = ranges.by_page = self._by_page(ranges.places, ranges.starts, ranges.lengths)
        places, local, lengths, numbers, bounds, table, mostly = by_page
        total = int(table[:, 2].sum())
        if len(numbers) == 1:
            leaves = cached_pages < 2 or mostly.item(0)
            one = partial(self._place_one, out, places, local, lengths, numbers.item(0), leaves)
            return CopyPlan([one], total)
        if len(numbers) >= cached_pages:
            mostly = np.ones(len(numbers), np.bool_)
        compiled = self.coded and self.kind in _UNFOLDED and ready()

        def some(first: int, last: int) -> Ints | None:
            markers: Ints | None = NOWHERE
            left, leaves = numbers[first:last], mostly[first:last]
            if compiled:
                absent = self.cache.without([self._key(page) for page in left.tolist()])
                to_do = leaves & np.array(absent)
                if to_do.any():
                    given = table[first:last][to_do], places, local, lengths
                    to_do[to_do], markers = self._unfold(left[to_do], *given, out)
                if to_do.all():
                    return markers
                left, leaves = left[~to_do], leaves[~to_do]
            for number, page in self._one_by_one(left, leaves):
                at = int(numbers.searchsorted(number))
                begin, end = bounds[at : at + 2].tolist()
                to, origin, sizes = places[begin:end], local[begin:end], lengths[begin:end]
                if self._move(out, to, page, origin, sizes, number):
                    markers = None
            return markers

        parts = [partial(some, first, last) for first, last in _tasks(table[:, 2], total)]
        return CopyPlan(parts, total)

    def _by_page(self, places: Ints, starts: Ints, lengths: Ints) -> PageRanges:
        page = self.first.searchsorted(starts, side="right") - 1
        last = self.first.searchsorted(starts + lengths) - 1
        if bool((last > page).any()):  # divide ranges that span pages
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
        sizes = self.first[numbers + 1] - self.first[numbers]
        mostly = 2 * np.add.reduceat(lengths, bounds[:-1]) >= sizes
        columns = self.offset[numbers], self.offset[numbers + 1], sizes, bounds[:-1], bounds[1:]
        table = np.stack(columns, axis=1)
        local = starts - self.first[page]
        return PageRanges(places, local, lengths, numbers, bounds, table, mostly)

    def _place_one(
        self,
        out: Ints | Floats,
        places: Ints,
        starts: Ints,
        lengths: Ints,
        number: int,
        leaves: bool,
    ) -> Ints | None:
        """`plan_copy` for ranges of a single page."""
        page: Any = self.cache.get(self._key(number))
        if page is None:
            page = self._checked(number, self._read(number, number + 1), passing=leaves)
            if not leaves:
                self.cache.put(self._key(number), page)
        return None if self._move(out, places, page, starts, lengths, number) else NOWHERE

    def _move(
        self, out: Ints | Floats, places: Ints, page: Page, starts: Ints, lengths: Ints, number: int
    ) -> bool:
        """Copy ranges of a page to their places. Returns whether a NaN may be among them."""
        if isinstance(page, OpenPage):
            try:
                return page.place(out.view(np.float64), places, starts, lengths)
            except Undecodable as problem:
                raise self._undecodable(number, problem) from problem
        assert isinstance(page, np.ndarray)
        if ready():
            copy_pieces(page, starts, lengths, places, out)
        else:
            move_pieces(out, places, page, starts, lengths)
        if self.kind in TIMES:
            return False
        with np.errstate(invalid="ignore", over="ignore"):  # a marker is a signalling NaN
            return bool(np.isnan(np.add.reduce(page)))

    def _unfold(
        self,
        numbers: Ints,
        pages: Ints,
        places: Ints,
        starts: Ints,
        lengths: Ints,
        out: Ints | Floats,
    ) -> tuple[Bools, Ints | None]:
        """`decode_pages` for pages that are not cached.

        pages  [P, 5] of each: begin and end in the file, number of values, its first range, and one
               past its last
        """
        data, origins = self._together(numbers.tolist(), pages[:, 0].tolist(), pages[:, 1].tolist())
        pages[:, :2] -= np.array(origins)[:, np.newaxis]
        pieces = places, starts, lengths
        return decode_pages(data, pages, *pieces, out, times=self.kind == TIME_PAGE)

    def _together(
        self, numbers: list[int], begins: list[int], ends: list[int]
    ) -> tuple[bytes, list[int]]:
        """Read and verify these pages. Returns bytes that contain them and `MARGIN` more, and for
        each page the difference between positions in the file and in these bytes."""
        found: list[bytes] = []
        origins: list[int] = []
        base = at = 0
        while at < len(numbers):
            last = at + 1
            while last < len(numbers) and begins[last] - ends[last - 1] <= _READ_OVER:
                last += 1
            origin, size = begins[at], ends[last - 1] - begins[at]
            more = MARGIN if last == len(numbers) else 0
            data = self._read(numbers[at], numbers[last - 1] + 1, more=more)
            for page in range(at, last):
                self._check(numbers[page], data[begins[page] - origin : ends[page] - origin])
            origins += [origin - base] * (last - at)
            found.append(data)
            if len(data) < size + more:  # at the end of the file
                found.append(bytes(MARGIN))
            base, at = base + size, last
        return found[0] if len(found) == 1 else b"".join(found), origins

    def _one_by_one(self, numbers: Ints, passing: Bools) -> Iterator[tuple[int, Any]]:
        """Yield decoded pages; those that are `passing` are valid until the next one is
        requested."""
        missing: list[int] = []
        leaves: set[int] = set(numbers[passing].tolist())
        for page in numbers.tolist():
            cached = self.cache.get(self._key(page))
            if cached is None:
                missing.append(page)
            else:
                yield page, cached
        for page, data in self._data(missing):
            if page in leaves:
                yield page, self._checked(page, data, passing=True)
            else:
                decoded = self._checked(page, data)
                self.cache.put(self._key(page), decoded)
                yield page, decoded

    def _pages_for(self, starts: Ints, lengths: Ints) -> tuple[Ints, Ints | Floats]:
        """Return the pages that ranges need, joined, and where in them each range begins."""
        ends = starts + lengths
        begin = int(self.first.searchsorted(starts.min(), side="right")) - 1
        end = int(self.first.searchsorted(ends.max()))
        if end - begin == 1:  # the usual case for timestamps
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


def _tasks(sizes: Ints, total: int) -> list[tuple[int, int]]:
    """Return the pages (first, one past last) of each task."""
    return portions(sizes, min(max(total // 8, MIN_TASK_VALUES), MAX_TASK_VALUES))
