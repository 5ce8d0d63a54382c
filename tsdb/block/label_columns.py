"""Labels of a block: codes and texts in pieces that are read on demand."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from novaql.tsdb.codec.columns import TextColumn
from novaql.tsdb.index.postings import SCAN_GAIN, SCANS, Postings
from novaql.tsdb.model.labels import Codes, Ints
from novaql.tsdb.parts.lazy_ints import Pieces, narrowest

FEW_TEXTS = 16
"""Up to this many are read one by one, which costs less than grouping them by piece."""


class PiecedTexts:
    """Texts in byte order, in pieces that are read on demand and then cached."""

    def __init__(
        self,
        count: int,
        each: int,
        firsts: Sequence[bytes],
        read: Callable[[int], TextColumn],
        grew: Callable[[int], None],
    ) -> None:
        """firsts: the first text of each piece; grew: called with the bytes of each piece."""
        self._count, self._each, self._firsts, self._read = count, each, firsts, read
        self._grew = grew
        self._pieces: dict[int, TextColumn] = {}

    def __len__(self) -> int:
        return self._count

    def _piece(self, number: int) -> TextColumn:
        found = self._pieces.get(number)
        if found is None:  # two threads may read the same piece; both results are equal
            found = self._pieces[number] = self._read(number)
            self._grew(found.nbytes)
        return found

    def raw(self, place: int) -> bytes:
        number, local = divmod(place, self._each)
        return self._piece(number).raw(local)

    def one(self, place: int) -> str:
        number, local = divmod(place, self._each)
        return self._piece(number)[local]

    def some(self, places: Ints) -> list[str]:
        """Return the texts at increasing positions."""
        out: list[str] = []
        if len(places) == 0:
            return out
        numbers, begins = np.unique(places // self._each, return_index=True)
        for number, local in zip(
            numbers.tolist(), np.split(places % self._each, begins[1:]), strict=True
        ):
            piece = self._piece(number)
            if 4 * len(local) > len(piece):
                every = piece.all()
                out += [every[place] for place in local.tolist()]
            else:
                out += [piece[place] for place in local.tolist()]
        return out

    def bisect(self, wanted: bytes) -> int:
        """Return the first position whose text is not smaller, in byte order."""
        number = bisect_right(self._firsts, wanted) - 1
        if number < 0 or self._count == 0:
            return 0
        return number * self._each + self._piece(number).bisect(wanted)


class BlockColumn:
    """The `IndexedColumn` of a block. Texts are in byte order, so look-ups bisect."""

    def __init__(
        self,
        rows: int,
        codes: Pieces | None,
        starts: Pieces | None,
        texts: PiecedTexts,
        grew: Callable[[int], None],
    ) -> None:
        """codes: [rows] of each series; or starts: [distinct + 1] where the rows of each code
        begin; grew: called with the bytes of what is computed from them."""
        self._rows, self._pieces, self._starts = rows, codes, starts
        self.distinct = len(texts) + 1
        self._texts = texts
        self._grew = grew
        self._whole: NDArray[Any] | None = None
        self._postings: Postings | None = None
        self._scans = 0

    @property
    def codes(self) -> Codes:
        return self._stored().astype(np.int32, copy=False)

    def _stored(self) -> NDArray[Any]:
        """Return all codes in the narrowest type."""
        if self._whole is None:
            if self._pieces is not None:
                self._whole = self._pieces.stored(slice(None))
            else:
                assert self._starts is not None
                every = np.arange(self.distinct)
                narrow = every.astype(narrowest(self.distinct, np.dtype(np.int32)))
                self._whole = np.repeat(narrow, np.diff(self._starts[:]))
                self._grew(self._whole.nbytes)
        return self._whole

    def codes_of(self, rows: Ints) -> Codes:
        if self._whole is not None:
            return self._whole[rows].astype(np.int32, copy=False)
        if self._pieces is not None:
            return self._pieces[rows]
        assert self._starts is not None
        if 4 * len(rows) > self._rows:
            return self._stored()[rows].astype(np.int32, copy=False)
        found = np.searchsorted(self._starts[:], rows, side="right") - 1
        return found.astype(np.int32)

    def find(self, text: str) -> int:
        if not text:
            return 0
        wanted = text.encode(errors="surrogatepass")
        place = self._texts.bisect(wanted)
        there = place < len(self._texts) and self._texts.raw(place) == wanted
        return place + 1 if there else -1

    def texts(self, codes: Ints) -> list[str]:
        if len(codes) <= FEW_TEXTS:
            return [self._texts.one(code - 1) if code else "" for code in codes.tolist()]
        order = None
        if bool((codes[1:] < codes[:-1]).any()):
            order = np.argsort(codes, kind="stable")
        ordered = codes if order is None else codes[order]
        absent = int(np.searchsorted(ordered, 1))
        found = [""] * absent + self._texts.some(ordered[absent:] - 1)
        if order is None:
            return found
        back = np.empty(len(order), np.int64)
        back[order] = np.arange(len(order))
        return [found[place] for place in back.tolist()]

    def between(self, low: bytes, high: bytes) -> Ints:
        begin = self._texts.bisect(low) + 1 if low else 0
        return np.arange(begin, self._texts.bisect(high + b"\0") + 1)

    def rows_of(self, code: int) -> Ints:
        if self._starts is not None:
            begin, end = self._starts[np.array([code, code + 1])].tolist()
            return np.arange(begin, end)
        if self._postings is None:
            self._scans += 1
            if self._scans <= SCANS:
                return np.flatnonzero(self._stored() == code)
            self._postings = Postings.build(self.codes, self.distinct)
            self._grew(self._postings.nbytes)
        return self._postings.rows_of(code)

    @property
    def has_postings(self) -> bool:
        return self._starts is not None or self._postings is not None

    def count_of(self, code: int) -> int:
        if self._starts is not None:
            begin, end = self._starts[np.array([code, code + 1])].tolist()
            return int(end - begin)
        if self._postings is not None:
            return self._postings.count(code)
        return self._rows // min(self.distinct, SCAN_GAIN)

    def verify_index(self) -> None:
        """Read all codes and texts. Raises `Corrupted` or `Unreadable`."""
        self.texts(np.arange(self.distinct))
        if self._starts is not None:
            self._starts[:]
        else:
            assert self._pieces is not None
            self._pieces[:]
