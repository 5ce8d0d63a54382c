"""A range of results as a line chart of Braille characters, for terminals."""

from __future__ import annotations

import numpy as np

from novaql.export.table import split_common, title
from novaql.result import Result
from novaql.text.labels import printable, series_text
from novaql.text.numbers import short_number
from novaql.text.times import time_text
from novaql.tsdb.model.labels import Bools, Ints

_DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
"""The bits of the 4 × 2 dots of a character."""
LISTED = 8


def can_draw(result: Result) -> bool:
    """Whether there are lines to draw: finite values at two or more steps."""
    return len(result.times_ms) > 1 and bool(_finite(result).any())


def chart_text(result: Result, *, width: int = 80, height: int = 15) -> str:
    """Return the lines of all series in one chart, at most `width` characters wide.

    height  of the chart in lines, without title, axis and the list of series
    """
    shown = _finite(result)
    low, high = float(result.values[shown].min()), float(result.values[shown].max())
    marks = [short_number(high), short_number(low / 2 + high / 2), short_number(low)]
    margin = max(map(len, marks))
    columns = max(16, width - margin - 2)
    dots = np.zeros((height * 4, columns * 2), dtype=bool)
    for row in np.flatnonzero(shown.any(axis=1)):
        x, y = _line(result.values[row], shown[row], (low, high), dots.shape)
        dots[y, x] = True
    cells = dots.reshape(height, 4, columns, 2) * _DOTS[:, None, :]
    lines = ["".join(map(chr, line)) for line in 0x2800 + cells.sum(axis=(1, 3))]
    places = {0: marks[0], height // 2: marks[1], height - 1: marks[2]}
    text = [title(result)]
    text += [f"{places.get(i, ''):>{margin}} │{line}".rstrip("⠀") for i, line in enumerate(lines)]
    first, last = (time_text(int(result.times_ms[i])) for i in (0, -1))
    text.append(" " * margin + " └" + "─" * columns)
    text.append(" " * (margin + 2) + f"{first}{last:>{max(1, columns - len(first))}}")
    return "\n".join([*text, *_series(result)])


def _finite(result: Result) -> Bools:
    finite: Bools = np.isfinite(result.values)
    return finite if result.valid is None else finite & result.valid


def _line(
    values: np.ndarray, shown: Bools, span: tuple[float, float], shape: tuple[int, int]
) -> tuple[Ints, Ints]:
    """Return columns and rows of the dots of one line; nothing is drawn across a missing step."""
    rows, columns = shape
    last = len(values) - 1
    at = np.linspace(0, last, max(4 * len(values), columns * rows))
    steps = np.flatnonzero(shown)
    low, high = span
    scale = max(abs(low), abs(high)) or 1.0  # divided first: the span may overflow
    span_of_scaled = high / scale - low / scale or 1.0
    heights = (np.interp(at, steps, values[steps] / scale) - low / scale) / span_of_scaled
    drawn = shown[np.floor(at).astype(int)] & shown[np.ceil(at).astype(int)]
    x = np.rint(at / last * (columns - 1)).astype(np.int64)
    y = np.rint((1 - heights) * (rows - 1)).astype(np.int64)
    return x[drawn], y[drawn]


def _series(result: Result) -> list[str]:
    common, varying = split_common(result.series)
    what = "series:" if len(result) == 1 else "in every series:"
    head = [f"{what} {printable(series_text(common))}"] if common else []
    listed = [series_text(one) for one in result.series.take(np.arange(min(LISTED, len(result))))]
    if varying:
        head += [f"  {text}" for text in listed]
    if len(result) > LISTED:
        head.append(f"… {len(result) - LISTED} more series")
    return head
