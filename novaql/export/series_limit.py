"""The number of series of a result, and the result with its first series alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from novaql.result import NativeCells, Points, Result, ResultKind, native_where


def series_count(result: Result) -> int:
    """Return the number of series in an answer: those with a point."""
    if result.text is not None or result.kind is ResultKind.SCALAR:
        return 1
    return int(np.count_nonzero(np.diff(result.points().offsets)))


def first_series(result: Result, limit: int) -> Result:
    """The first `limit` series that have a point (0: all). The same object if nothing is cut."""
    if not limit or result.text is not None or series_count(result) <= limit:
        return result
    points = result.points()
    rows = np.flatnonzero(np.diff(points.offsets))[:limit]
    if result.raw is None:
        valid = None if result.valid is None else result.valid[rows]
        values, native = result.values[rows], result.native
        if native is not None:
            native = NativeCells(native.histograms, native.which[rows])
        series = result.series.take(rows)
        return replace(result, series=series, values=values, valid=valid, native=native)
    last = int(points.offsets[rows[-1] + 1])  # rows without points own nothing in between
    offsets = np.append(points.offsets[rows], last)
    native = native_where(points.native, slice(last))
    raw = Points(offsets - offsets[0], points.times_ms[:last], points.values[:last], native)
    return replace(result, series=result.series.take(rows), raw=raw)
