"""The rows of each value of a label, as slices of one sorted array."""

from __future__ import annotations

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.tsdb.model.labels import Codes, Ints, Numbers

SCANS = 16
"""Scans of all codes for one of them before postings are built, which cost about twenty scans."""
SCAN_GAIN = 16
"""About how many rows a scan of all codes compares in the time that one row of a list takes."""
TAIL_SHARE = 4
"""Postings are built again when more than 1/4 as many rows follow as they have."""


@dataclass(frozen=True, slots=True, eq=False)
class Postings:
    """`rows_of(code)` is the slice of `order` between two of `starts`.

    order   [rows] row numbers by code, increasing within a code
    starts  [distinct + 1]
    """

    order: Codes
    starts: Ints

    @classmethod
    def build(cls, codes: Numbers, distinct: int) -> Postings:
        # NumPy's stable sort of 16-bit numbers is a radix sort, several times as fast.
        keys = codes.astype(np.uint16) if distinct <= 1 << 16 else codes
        order = np.argsort(keys, kind="stable").astype(np.int32)
        starts = np.zeros(distinct + 1, np.int64)
        np.cumsum(np.bincount(codes, minlength=distinct), out=starts[1:])
        return cls(order, starts)

    @property
    def nbytes(self) -> int:
        return self.order.nbytes + self.starts.nbytes

    def rows_of(self, code: int) -> Ints:
        return self.order[self.starts[code] : self.starts[code + 1]].astype(np.int64)

    def count(self, code: int) -> int:
        return int(self.starts[code + 1] - self.starts[code])


class GrowingPostings:
    """Postings of a column that grows: of the rows that it had when they were built. Later rows are
    scanned. Safe to use from several threads: rows never change, and if two threads build postings,
    both are correct.
    """

    __slots__ = ("_known", "_scans")

    def __init__(self) -> None:
        self._known: Postings | None = None
        self._scans = 0

    @property
    def known(self) -> Postings | None:
        return self._known

    def rows_of(self, codes: Numbers, distinct: int, code: int) -> Ints:
        """Return the rows of `codes` (the column as the caller sees it) that have this code."""
        known = self._known
        built = 0 if known is None else len(known.order)
        if len(codes) - built > built // TAIL_SHARE:
            self._scans += 1
            if self._scans > SCANS:
                known = self._known = Postings.build(codes, distinct)
                built, self._scans = len(codes), 0
        tail = np.flatnonzero(codes[built:] == code)
        if known is None or code >= len(known.starts) - 1:
            return tail + built
        rows = known.rows_of(code)
        if built > len(codes):  # the caller's column is older
            return rows[: np.searchsorted(rows, len(codes))]
        return np.concatenate([rows, tail + built]) if len(tail) else rows
