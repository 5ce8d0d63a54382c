"""Axes: round numbers and round times, and fewer points than there are pixels."""

from __future__ import annotations

import math
import sys
from datetime import UTC, datetime

import numpy as np

from novaql.timeparse import round_step_ms
from novaql.tsdb.model.labels import Bools, Ints
from novaql.tsdb.model.samples import Floats

LARGEST = sys.float_info.max
_SECOND, _MINUTE, _DAY = 1000, 60_000, 86_400_000


def number_ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round numbers that enclose low … high: the first is ≤ low, the last ≥ high."""
    if not low < high:
        pad = abs(low) * 0.5 or 1.0
        low, high = max(low - pad, -LARGEST), min(high + pad, LARGEST)
    rough = (high / wanted) - (low / wanted)  # divided first: the span of two floats may overflow
    if rough == 0:  # a span of a few of the smallest floats
        return [low, high]
    size = 10.0 ** math.floor(math.log10(rough))
    if size == 0 or not math.isfinite(size):
        return [low, high]
    step = next(size * m for m in (1, 2, 5, 10) if size * m >= rough * 0.999)
    first, last = math.floor(low / step), math.ceil(high / step)
    if last - first > 4 * wanted:  # the span is lost in the precision of the numbers
        return [low, high]
    return [max(-LARGEST, min(n * step, LARGEST)) for n in range(first, last + 1)]


def time_ticks(start_ms: int, end_ms: int, wanted: int = 7) -> list[tuple[int, str]]:
    """Round UTC times inside start … end with their labels."""
    step = round_step_ms((end_ms - start_ms) / wanted)
    first = -(-start_ms // step) * step
    return [(ms, _tick_label(ms, step)) for ms in range(first, end_ms + 1, step)]


def _tick_label(ms: int, step: int) -> str:
    if not -62_135_596_800_000 <= ms <= 253_402_300_799_999:
        return str(ms // 1000)
    when = datetime.fromtimestamp(ms // 1000, UTC)
    if step >= _DAY:
        return f"{when:%Y-%m-%d}" if step > 30 * _DAY else f"{when:%b %d}"
    if ms % _DAY == 0:
        return f"{when:%b %d}"
    if step >= _MINUTE:
        return f"{when:%H:%M}"
    return f"{when:%H:%M:%S}" if step >= _SECOND else f"{when:%S}.{ms % 1000:03d}"


def reduced(times_ms: Ints, values: Floats, valid: Bools, cells: int) -> tuple[Ints, Floats, Bools]:
    """At most two points a cell, the lowest and the highest, so that no spike is lost.

    All arrays: [T]. A cell without a valid point becomes an invalid one: the line breaks.
    """
    if len(times_ms) <= 2 * cells:
        return times_ms, values, valid
    starts = np.arange(cells) * len(times_ms) // cells
    cell = np.repeat(np.arange(cells), np.diff(starts, append=len(times_ms)))
    picked = []
    for worst, sign in ((np.inf, 1.0), (np.inf, -1.0)):
        ranked = np.where(valid, sign * values, worst)
        order = np.lexsort([ranked, cell])
        picked.append(order[starts])
    index = np.unique(np.concatenate(picked))
    return times_ms[index], values[index], valid[index]
