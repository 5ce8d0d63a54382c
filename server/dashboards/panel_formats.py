"""The data of a panel as JSON, CSV and Arrow."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from novaql import Result, ResultKind, export
from novaql.fast_dataclass import dataclass
from novaql.server.dashboards.choices import Choice
from novaql.server.dashboards.panel_model import Shown
from novaql.server.dashboards.windows import Window
from novaql.server.http.formats import Format
from novaql.server.http.json_bytes import json_bytes
from novaql.text import series_text
from novaql.tsdb import Ints

_LABEL = re.compile(r"\{\{\s*([a-zA-Z_]\w*)\s*\}\}", re.ASCII)

MOST_LEGEND = 64 << 10
MOST_CSV_BYTES = 256 << 20
"""The most bytes of series names in a CSV table, which is built in memory."""


_COPIES = 3
"""Of the data: the pieces, what they are joined to, and the answer."""
_ON_A_PAGE, _COPIES_OF_PAGE = 50, 18
"""Series on a page, and how many times as much as its labels it takes, if all are escaped."""
_POINT = 32
"""About the bytes of a point as text."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The result of a panel's query. `ref` is its letter, and `expr` has interpolated variables."""

    ref: str
    expr: str
    legend: str | None
    result: Result


def memory_of(answered: Sequence[Answered], form: Format) -> int:
    """About how many bytes the data of a panel takes while it is made. Series of a store share long
    labels; JSON has them twice for each series, CSV once for each point, Arrow once for each
    series."""
    size = 0
    for each in answered:
        if each.result.kind in _NO_SERIES:
            continue
        points = _points_of(each.result)
        names = export.label_bytes(each.result.series)
        if each.legend:
            names = names * max(1, len(_LABEL.findall(each.legend))) + len(each.legend)
            names = np.minimum(names, 2 * MOST_LEGEND)
        if form == "json":
            size += int(names.sum() + export.label_bytes(each.result.series).sum())
        else:
            size += int((names * points).sum() if form == "csv" else names.sum())
        size += _POINT * int(points.sum())
    return _COPIES * size


def page_memory(answered: Sequence[Answered]) -> int:
    """About how many bytes a page takes while it is made: it escapes the labels of the first series
    for a chart and a table."""
    size = 0
    for each in answered:
        if each.result.kind not in _NO_SERIES:
            first = np.arange(min(each.result.series.rows, _ON_A_PAGE))
            size += int(export.label_bytes(each.result.series.take(first)).sum())
    return _COPIES_OF_PAGE * size


def _points_of(result: Result) -> Ints:
    """[rows] how many points each series has, at most."""
    if result.raw is not None:
        return np.diff(result.raw.offsets)
    return np.full(result.series.rows, result.values.shape[1])


def legend_text(legend: str | None, labels: dict[str, str]) -> str:
    """The name of a series: the legend with the values of labels, or the labels.

    A long legend is truncated to `MOST_LEGEND` characters.
    """
    if not legend or legend == "__auto":
        return series_text(labels)
    pieces: list[str] = []
    size = at = 0
    for found in _LABEL.finditer(legend):
        for piece in (legend[at : found.start()], labels.get(found[1], "")):
            pieces.append(piece)
            size += len(piece)
        at = found.end()
        if size > MOST_LEGEND:
            return f"{''.join(pieces)[:MOST_LEGEND]}…"
    return "".join((*pieces, legend[at:]))


def as_json(
    shown: Shown, window: Window, answered: Sequence[Answered], choices: Sequence[Choice]
) -> bytes:
    """Format everything that is needed to draw the panel. NaN and infinities are text."""
    spec = shown.spec
    queries = b",".join(_query_json(each) for each in answered)
    head: dict[str, Any] = {
        "panel": {
            "id": shown.panel_id,
            "title": shown.title,
            **{name: spec[name] for name in ("type", "unit", "decimals", "min", "max")},
            "thresholds": spec["thresholds"],
            "text": spec["text"],
        },
        "window": {
            "start": window.start_ms / 1000,
            "end": window.end_ms / 1000,
            "step": window.step_ms / 1000,
        },
        "variables": {choice.variable.name: list(choice.chosen) for choice in choices},
        "warnings": sorted({text for each in answered for text in each.result.warnings}),
        "infos": sorted({text for each in answered for text in each.result.infos}),
    }
    return b'%s,"queries":[%s]}' % (json_bytes(head)[:-1], queries)


def _query_json(each: Answered) -> bytes:
    result = each.result
    head: dict[str, Any] = {"ref": each.ref, "expr": each.expr, "result_type": result.kind.value}
    head["legends"] = [] if result.kind in _NO_SERIES else _legends(each)
    stats = result.stats
    tail = {
        "stats": {
            "series": stats.series,
            "samples": stats.samples,
            "bytes": stats.bytes,
            "ms": {name: round(s * 1000, 3) for name, s in stats.seconds.items()},
        }
    }
    rows = export.result_json(result, export.ValueStyle.NUMBER)
    return b'%s,"result":%s,%s' % (json_bytes(head)[:-1], rows, json_bytes(tail)[1:])


_NO_SERIES = (ResultKind.SCALAR, ResultKind.STRING)


def _legends(each: Answered) -> list[str]:
    """The names of the series with points, in the order of `result`."""
    rows = np.flatnonzero(np.diff(each.result.points().offsets))
    return [legend_text(each.legend, labels) for labels in each.result.series.take(rows).dicts()]


def names_of(each: Answered, *, many: bool) -> list[str]:
    """The name of every series. With several queries, the letter of the query precedes it."""
    prefix = f"{each.ref}: " if many else ""
    return [prefix + legend_text(each.legend, labels) for labels in each.result.series.dicts()]


def as_csv(answered: Sequence[Answered]) -> bytes:
    """RFC 4180 with a header: time (RFC 3339, UTC), series, value; query after query.

    `value` of a native histogram is its Prometheus text. Raises `LimitExceeded`.
    """
    many = len(answered) > 1
    tables = ((each.result, names_of(each, many=many)) for each in answered)
    return b"".join(export.named_csv(tables, most_name_bytes=MOST_CSV_BYTES))


def as_arrow(answered: Sequence[Answered]) -> bytes:
    """One table: `query` and `series` (dictionaries), `time` (ms, UTC), `value` (float64).

    `value` of a native histogram is null.
    """
    return export.named_arrow(
        (each.ref, each.result, names_of(each, many=False)) for each in answered
    )
