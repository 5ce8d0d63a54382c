"""A result as bytes of the format a client asks for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
import orjson

from novaql.export.prometheus_json import ValueStyle, result_json, series_count
from novaql.options import QueryOptions
from novaql.result import NativeCells, Points, Result, native_where
from server.platform.errors import NotAcceptable

Format = Literal["json", "csv", "arrow"]

MEDIA: dict[Format, str] = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8; header=present",
    "arrow": "application/vnd.apache.arrow.stream",
}
TRUNCATED = "results truncated due to limit"


def format_of(asked: Format | None, accept: str) -> Format:
    """The format named in the body, else the best of the Accept header; JSON if it names none."""
    if asked is not None:
        return asked
    best: Format | None = None
    best_weight = 0.0
    for name, media in MEDIA.items():
        weight = _weight(media.partition(";")[0], accept or "*/*")
        if weight > best_weight:
            best, best_weight = name, weight
    if best is None:
        known = ", ".join(media.partition(";")[0] for media in MEDIA.values())
        raise NotAcceptable(f"none of {accept!r} can be written; there is {known}")
    return best


def encode(result: Result, form: Format, options: QueryOptions, *, limit: int, plan: str) -> bytes:
    """The whole answer. `plan` is the explanation, or "" if none was asked for."""
    shown = limited(result, limit)
    if form == "csv":
        return shown.csv().encode()
    if form == "arrow":
        return _arrow_stream(shown)
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
    rows = result_json(shown, ValueStyle.NUMBER)
    return b'{"result_type":"%s","result":%s,%s' % (kind, rows, orjson.dumps(tail)[1:])


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


def _weight(media: str, accept: str) -> float:
    """The weight that the most specific matching range gives a type."""
    kind = media.partition("/")[0]
    found = {media: -1.0, f"{kind}/*": -1.0, "*/*": -1.0}
    for part in accept.lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        if name in found:
            found[name] = _quality(parameters)
    return next((weight for weight in found.values() if weight >= 0), 0.0)


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def _arrow_stream(result: Result) -> bytes:
    import pyarrow as pa  # noqa: PLC0415 - heavy, and only for this format

    table = result.arrow()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()
