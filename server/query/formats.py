"""A result in the format a client asks for."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import orjson

from novaql.export.json_values import ValueStyle
from novaql.export.matrix_json import KeptTexts
from novaql.export.prometheus_json import result_pieces, series_count
from novaql.options import QueryOptions
from novaql.result import NativeCells, Points, Result, native_where
from novaql.server.http.formats import Format, arrow_pieces, csv_pieces
from novaql.server.http.streaming import Piece

TRUNCATED = "results truncated due to limit"


def encode(
    result: Result,
    form: Format,
    options: QueryOptions,
    *,
    limit: int,
    plan: str,
    guard_formulas: bool = False,
    texts: KeptTexts | None = None,
    key: Hashable = None,
) -> Iterator[Piece]:
    """The whole answer, piece by piece.

    plan        the explanation, or "" if none was asked for
    guard_formulas  of CSV: see `Result.csv`
    texts, key  as for `result_pieces`
    """
    shown = limited(result, limit)
    if form == "csv":
        return csv_pieces(shown, guard_formulas=guard_formulas)
    if form == "arrow":
        return arrow_pieces(shown)
    return _json_pieces(result, shown, options, plan, texts, key)


def _json_pieces(
    result: Result,
    shown: Result,
    options: QueryOptions,
    plan: str,
    texts: KeptTexts | None,
    key: Hashable,
) -> Iterator[Piece]:
    truncated = shown is not result
    tail: dict[str, Any] = {
        "warnings": [*result.warnings, *([TRUNCATED] if truncated else [])],
        "infos": result.infos,
        "stats": {
            "series": result.stats.series,
            "samples": result.stats.samples,
            "bytes": result.stats.bytes,
            "ms": {name: round(s * 1000, 3) for name, s in result.stats.seconds.items()},
        },
        "window": {
            "start": options.start_ms / 1000,
            "end": options.end_ms / 1000,
            "step": options.step_ms / 1000,
            "lookback": options.lookback_ms / 1000,
        },
    }
    if plan:
        tail["explain"] = plan
    kind = result.kind.value.encode()
    yield b'{"result_type":"%s","result":' % kind
    yield from result_pieces(shown, ValueStyle.NUMBER, texts=texts, key=key)
    yield b"," + orjson.dumps(tail)[1:]


def limited(result: Result, limit: int) -> Result:
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
