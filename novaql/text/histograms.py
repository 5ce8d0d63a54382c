"""Native histograms as text: as Prometheus prints them, and in short form for a table."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from novaql.text.glued_rows import glued
from novaql.text.go_text import go_number
from novaql.text.numbers import short_number
from novaql.tsdb.model.histogram_buckets import (
    CLOSED,
    OPEN_LEFT,
    OPEN_RIGHT,
    boundary_rules,
    ladder,
)
from novaql.tsdb.model.histograms import Floats, Histograms


def histogram_texts(h: Histograms) -> list[str]:
    """[N] texts like `{count:4, sum:5, (0.5,1]:1, (1,2]:3}`: numbers as Go's %g, no empty bucket.

    The value that `count_values` counts, and that messages show.
    """
    rungs = ladder(h, whole=True)
    rules = boundary_rules(h, rungs)
    opening = np.where((rules == OPEN_RIGHT) | (rules == CLOSED), "[", "(").tolist()
    closing = np.where((rules == OPEN_LEFT) | (rules == CLOSED), "]", ")").tolist()
    items = [
        f", {left}{low},{high}{right}:{count}".encode()
        for left, low, high, right, count in zip(
            opening,
            _numbers(rungs.lower),
            _numbers(rungs.upper),
            closing,
            _numbers(rungs.population),
            strict=True,
        )
    ]
    heads = [
        f"{{count:{count}, sum:{total}".encode()
        for count, total in zip(_numbers(h.count), _numbers(h.sum), strict=True)
    ]
    return [text.decode() for text in glued(heads, items, rungs.sizes, [b"}"] * len(h))]


def short_histogram(count: float, total: float) -> str:
    """For a table: how many observations, and their sum."""
    return f"{{count:{short_number(count)}, sum:{short_number(total)}}}"


def _numbers(values: Floats) -> list[str]:
    """One text for each number; equal ones, mostly bounds, are formatted once."""
    bits, place = np.unique(values.view(np.int64), return_inverse=True)
    texts: NDArray[np.object_] = np.empty(len(bits), object)
    texts[:] = [go_number(value) for value in bits.view(np.float64).tolist()]
    out: list[str] = texts[place].tolist()
    return out
