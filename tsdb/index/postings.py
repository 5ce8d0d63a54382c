"""The rows of each value of a label, as slices of one sorted array."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from novaql.tsdb.model.labels import Codes, Ints


@dataclass(frozen=True, slots=True, eq=False)
class Postings:
    """`rows_of(code)` is the slice of `order` between two of `starts`.

    order   [rows] row numbers by code, increasing within a code
    starts  [distinct + 1]
    """

    order: Codes
    starts: Ints

    @classmethod
    def build(cls, codes: Codes, distinct: int) -> Postings:
        # NumPy's stable sort of 16-bit numbers is a radix sort, several times as fast.
        keys = codes.astype(np.uint16) if distinct <= 1 << 16 else codes
        order = np.argsort(keys, kind="stable").astype(np.int32)
        starts = np.zeros(distinct + 1, np.int64)
        np.cumsum(np.bincount(codes, minlength=distinct), out=starts[1:])
        return cls(order, starts)

    def rows_of(self, code: int) -> Ints:
        return self.order[self.starts[code] : self.starts[code + 1]].astype(np.int64)

    def count(self, code: int) -> int:
        return int(self.starts[code + 1] - self.starts[code])
