"""A result with its first series alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from novaql.result import NativeCells, Points, Result, ResultKind, native_where
from novaql.tsdb.model.labels import Ints


def first_series(result: Result, limit: int) -> Result:
    """The first `limit` series that have a point (0: all). The same object if nothing is cut."""
    if not limit or result.text is not None or result.kind is ResultKind.SCALAR:
        return result
    rows = _rows_with_points(result)
    if len(rows) <= limit:
        return result
    rows = rows[:limit]
    series = result.series.take(rows)
    if result.raw is None:
        valid = None if result.valid is None else result.valid[rows]
        values, native = result.values[rows], result.native
        if native is not None:
            native = NativeCells(native.histograms, native.which[rows])
        return replace(result, series=series, values=values, valid=valid, native=native)
    points = result.raw
    last = int(points.offsets[rows[-1] + 1])  # rows without points have no points in between
    offsets = np.append(points.offsets[rows], last)
    native = native_where(points.native, slice(last))
    raw = Points(offsets - offsets[0], points.times_ms[:last], points.values[:last], native)
    return replace(result, series=series, raw=raw)


def _rows_with_points(result: Result) -> Ints:
    if result.raw is not None:
        return np.flatnonzero(np.diff(result.raw.offsets))
    if result.valid is not None:
        return np.flatnonzero(result.valid.any(axis=1))
    return np.arange(len(result.values) if result.values.shape[1] else 0)
