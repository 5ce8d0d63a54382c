"""A panel's data as JSON, CSV and Arrow."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from novaql.errors import LimitExceeded
from novaql.export.formulas import without_formula
from novaql.export.json_values import ValueStyle
from novaql.export.prometheus_json import result_json
from novaql.export.series_text import series_text
from novaql.result import Result, ResultKind
from novaql.server.http.formats import arrow_stream

if TYPE_CHECKING:
    from novaql.server.dashboards.choices import Choice
    from novaql.server.dashboards.panel_data import Shown
    from novaql.server.dashboards.windows import Window

_LABEL = re.compile(r"\{\{\s*([a-zA-Z_]\w*)\s*\}\}", re.ASCII)

MOST_LEGEND = 64 << 10
MOST_CSV_BYTES = 256 << 20
"""Of the names of series in the rows of a table, which is made as a whole."""
HEADER = b"time,series,value\r\n"


@dataclass(frozen=True, slots=True)
class Answered:
    """What a query of a panel answered. `ref`: its letter; `expr`: with its variables put in."""

    ref: str
    expr: str
    legend: str | None
    result: Result


def legend_text(legend: str | None, labels: dict[str, str]) -> str:
    """The name of a series: the legend with labels' values in it, or the labels.

    A legend that repeats long values is cut off behind `MOST_LEGEND` characters.
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
    """Everything that is needed to draw the panel. NaN and infinities are texts."""
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
    return b'%s,"queries":[%s]}' % (orjson.dumps(head)[:-1], queries)


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
    rows = result_json(result, ValueStyle.NUMBER)
    return b'%s,"result":%s,%s' % (orjson.dumps(head)[:-1], rows, orjson.dumps(tail)[1:])


_NO_SERIES = (ResultKind.SCALAR, ResultKind.STRING)


def _legends(each: Answered) -> list[str]:
    """The names of the series that have a point, in the order of `result`."""
    rows = np.flatnonzero(np.diff(each.result.points().offsets))
    return [legend_text(each.legend, labels) for labels in each.result.series.take(rows).dicts()]


def names_of(each: Answered, *, many: bool) -> list[str]:
    """The name of every series; behind the query's letter if the panel has several queries."""
    prefix = f"{each.ref}: " if many else ""
    return [prefix + legend_text(each.legend, labels) for labels in each.result.series.dicts()]


def as_csv(answered: Sequence[Answered]) -> bytes:
    """RFC 4180 with a header: time (RFC 3339, UTC), series, value; query after query.

    A native histogram stands in `value` as Prometheus prints it. Raises `LimitExceeded`.
    """
    import pyarrow as pa  # noqa: PLC0415 - likewise

    from novaql.export.arrow_arrays import numbers, strings  # noqa: PLC0415 - loads pyarrow
    from novaql.export.csv_text import (  # noqa: PLC0415 - likewise
        CHUNK_BYTES,
        LINE_END,
        histogram_cells,
    )
    from novaql.export.text_cells import (  # noqa: PLC0415 - likewise
        COMMA,
        NOTHING,
        compute,
        csv_cell,
        joined_bytes,
        value_texts,
    )
    from novaql.export.time_text import time_texts  # noqa: PLC0415 - likewise

    parts, size = [HEADER], 0
    for each in answered:
        result = each.result
        if result.text is not None:
            time = time_texts(result.times_ms[:1])[0]
            parts.append(f"{time},,{csv_cell(without_formula(result.text))}\r\n".encode())
            continue
        points = result.points()
        if not len(points.times_ms):
            continue
        distinct, instant = np.unique(points.times_ms, return_inverse=True)
        row = np.repeat(np.arange(len(points.offsets) - 1), np.diff(points.offsets))
        names = [csv_cell(without_formula(name)) for name in names_of(each, many=len(answered) > 1)]
        values = value_texts(points.values, None)
        if points.native is not None:
            texts, which = histogram_cells(points.native)
            shown = texts.take(numbers(which, pa.int32()))
            values = compute.if_else(compute.equal(shown, NOTHING), values, shown)
        size += int(np.fromiter(map(len, names), np.int64, len(names))[row].sum())
        if size > MOST_CSV_BYTES:
            raise LimitExceeded(
                f"the names of the series take more than {MOST_CSV_BYTES >> 20} MiB in this table; "
                "take a shorter legend, a longer step or fewer series"
            )
        times, series = strings(time_texts(distinct)), strings(names)
        at_once = CHUNK_BYTES // (1 + max(map(len, names)))
        for first in range(0, len(row), max(1, at_once)):
            some = slice(first, first + max(1, at_once))
            cells = (
                times.take(numbers(instant[some], pa.int64())),
                series.take(numbers(row[some], pa.int64())),
                compute.binary_join_element_wise(values[some], NOTHING, LINE_END),
            )
            parts.append(joined_bytes(compute.binary_join_element_wise(*cells, COMMA)))
    return b"".join(parts)


def as_arrow(answered: Sequence[Answered]) -> bytes:
    """One table: `query` and `series` (dictionaries), `time` (ms, UTC), `value` (float64).

    A native histogram is null there, since its value is no number.
    """
    import pyarrow as pa  # noqa: PLC0415 - heavy, and only for this format

    from novaql.export.arrow_arrays import numbers, strings  # noqa: PLC0415 - likewise

    schema = pa.schema(
        [
            ("query", pa.dictionary(pa.int32(), pa.string())),
            ("series", pa.dictionary(pa.int32(), pa.string())),
            ("time", pa.timestamp("ms", "UTC")),
            ("value", pa.float64()),
        ]
    )
    batches = []
    for each in answered:
        if each.result.text is not None:
            continue
        points = each.result.points()
        row = np.repeat(np.arange(len(points.offsets) - 1), np.diff(points.offsets))
        count = len(points.times_ms)
        absent = None if points.native is None else points.native.which >= 0
        columns = [
            pa.DictionaryArray.from_arrays(
                numbers(np.zeros(count, np.int32), pa.int32()), strings([each.ref])
            ),
            pa.DictionaryArray.from_arrays(
                numbers(row.astype(np.int32), pa.int32()), strings(names_of(each, many=False))
            ),
            pa.array(points.times_ms.astype("datetime64[ms]"), schema.field("time").type),
            pa.array(points.values, mask=absent),
        ]
        batches.append(pa.RecordBatch.from_arrays(columns, schema=schema))
    return arrow_stream(pa.Table.from_batches(batches, schema=schema).unify_dictionaries())
