"""federate: the newest samples of matching series, as text that another server scrapes."""

from __future__ import annotations

import re
import time

import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from novaql.server.http.request import context_of
from novaql.server.prometheus.parameters import read_parameters
from novaql.server.prometheus.selectors import MatcherSets
from novaql.server.query.run import run_in_worker
from novaql.server.tenants.store import Store
from novaql.text import go_number
from novaql.tsdb import (
    METRIC_NAME,
    Floats,
    Ints,
    LabelColumn,
    Selection,
    SeriesTable,
    Tile,
    concat_tables,
    is_stale,
)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
_LOOKBACK_MS = 300_000
_NOT_IN_METRIC_NAMES = re.compile(r"[^a-zA-Z0-9_:]|^(?=\d)")
_NOT_IN_LABEL_NAMES = re.compile(r"[^a-zA-Z0-9_]|^(?=\d)")


async def federate(request: Request) -> Response:
    """The newest sample, at most five minutes old, of each series that any `match[]` matches.

    The answer omits native histograms and series that have ended. A series without the label
    `instance` gets an empty one, so that the scraping server does not add its own.
    """
    parameters = await read_parameters(request)
    sets = parameters.matcher_sets()
    store = context_of(request).store
    now_ms = int(time.time() * 1000)

    def text() -> Response:
        return Response(exposition(store, sets, now_ms), media_type=CONTENT_TYPE)

    return await run_in_worker(request, text)


def exposition(store: Store, sets: MatcherSets, now_ms: int) -> bytes:
    """The text of the answer."""
    start_ms = now_ms - _LOOKBACK_MS + 1
    found = [_latest(store.select(matchers, start_ms, now_ms)) for matchers in sets]
    found = [one for one in found if len(one[0])]
    if not found:
        return b""
    table = concat_tables([one[0] for one in found])
    times = np.concatenate([one[1] for one in found])
    values = np.concatenate([one[2] for one in found])
    _, once = np.unique(table.keys(), return_index=True)  # removes duplicates of several selectors
    table, times, values = table.take(once), times[once], values[once]
    by_labels = table.order()
    names = table.column(METRIC_NAME).compacted()
    rows = by_labels[np.argsort(names.codes[by_labels], kind="stable")]
    labels = _label_texts(table.take(rows))
    shown = [_escaped(text, _NOT_IN_METRIC_NAMES) for text in names.values]
    lines: list[str] = []
    before = -1
    for code, own, value, at in zip(
        names.codes[rows].tolist(), labels, values[rows].tolist(), times[rows].tolist(), strict=True
    ):
        if code != before:
            lines.append(f"# TYPE {shown[code]} untyped\n")
            before = code
        lines.append(f"{shown[code]}{{{own}}} {go_number(value)} {at}\n")
    return "".join(lines).encode()


def _latest(selection: Selection) -> tuple[SeriesTable, Ints, Floats]:
    """Series with their last samples, without series that end with a staleness marker."""
    rows: list[Ints] = []
    times: list[Ints] = []
    values: list[Floats] = []
    for reference in selection.tiles:
        tile = reference.load()
        some, at, value = _last_of(tile)
        alive = ~is_stale(value)
        rows.append(some[alive])
        times.append(at[alive])
        values.append(value[alive])
    if not rows:
        return selection.series.take(np.zeros(0, np.int64)), np.zeros(0, np.int64), np.zeros(0)
    return (
        selection.series.take(np.concatenate(rows)),
        np.concatenate(times),
        np.concatenate(values),
    )


def _last_of(tile: Tile) -> tuple[Ints, Ints, Floats]:
    if tile.offsets is None:
        if len(tile.timestamps) == 0:
            return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
        times = np.full(len(tile.rows), tile.timestamps[-1])
        return tile.rows, times, np.ascontiguousarray(tile.values[:, -1])
    filled = np.flatnonzero(np.diff(tile.offsets))
    last = tile.offsets[filled + 1] - 1
    return tile.rows[filled], tile.timestamps[last], tile.values[last]


def _label_texts(table: SeriesTable) -> list[str]:
    """The labels of each row as text. A row without `instance` ends with an empty one."""
    texts = [""] * len(table)
    for name, column in table.columns.items():
        if name == METRIC_NAME:
            continue
        words = _pairs(name, column)
        for row, code in zip(
            np.flatnonzero(column.codes).tolist(),
            column.codes[column.codes != 0].tolist(),
            strict=True,
        ):
            texts[row] += words[code]
    without = table.column("instance").codes == 0
    return [
        f'{text}instance=""' if bare else text[:-1]
        for text, bare in zip(texts, without.tolist(), strict=True)
    ]


def _pairs(name: str, column: LabelColumn) -> list[str]:
    shown = _escaped(name, _NOT_IN_LABEL_NAMES)
    return [f'{shown}="{_quoted(value)}",' for value in column.values]


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _escaped(name: str, wrong: re.Pattern[str]) -> str:
    return wrong.sub("_", name)
