"""Look-ups by time against a look at every item."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from novaql.tsdb.parts.time_ordered import TimeOrdered


@dataclass(frozen=True)
class Span:
    first_ms: int
    last_ms: int


@pytest.mark.parametrize("count", [0, 1, 2, 8, 9, 300])
def test_items_that_overlap_a_range_are_found_in_their_order(count: int) -> None:
    rng = np.random.default_rng(count)
    begins = rng.integers(-1000, 1000, count)
    widths = np.where(rng.random(count) < 0.1, rng.integers(0, 900, count), 5)
    items = [Span(int(b), int(b + w)) for b, w in zip(begins, widths, strict=True)]
    ordered = TimeOrdered(items)

    assert list(ordered) == items
    for start in range(-1100, 1100, 37):
        for width in (0, 1, 50, 2500):
            end = start + width
            found = [one for one in items if one.first_ms <= end and one.last_ms >= start]
            assert ordered.overlapping(start, end) == found


def test_both_ends_are_included() -> None:
    item = Span(10, 20)
    ordered = TimeOrdered([item, Span(30, 40)])

    assert ordered.overlapping(20, 20) == ordered.overlapping(0, 10) == [item]
    assert ordered.overlapping(21, 29) == ordered.overlapping(41, 50) == []
    assert ordered.overlapping(29, 21) == []
