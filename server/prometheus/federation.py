"""federate: the newest samples of matching series, as text that another server scrapes."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence

import numpy as np
from starlette.responses import Response

from novaql import export
from novaql.server.prometheus.parameters import Parameters, in_worker_reserving
from novaql.server.query.answer_memory import Reserve
from novaql.server.tenants.store import Store
from novaql.text import go_number
from novaql.tsdb import (
    METRIC_NAME,
    Floats,
    Ints,
    Selection,
    SeriesTable,
    concat_tables,
    is_stale,
)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
_LOOKBACK_MS = 300_000
_OF_ROW, _OF_CODE = 64, 12
"""Bytes of a series beside its labels, and of each of its labels, while selections are united."""

_COPIES = 4
"""Of label sets as text: the sets, the lines, what they are joined to, and the answer."""

_NOT_IN_METRIC_NAMES = re.compile(r"[^a-zA-Z0-9_:]|^(?=\d)")
_NOT_IN_LABEL_NAMES = re.compile(r"[^a-zA-Z0-9_]|^(?=\d)")


@in_worker_reserving("the page of federated samples")
def federate(store: Store, parameters: Parameters, reserve: Reserve) -> Response:
    """The newest sample, at most five minutes old, of each series that any `match[]` matches.

    The answer omits native histograms and series that have ended. A series without the label
    `instance` gets an empty one, so that the scraping server does not add its own.
    """
    sets = parameters.matcher_sets()
    now_ms = int(time.time() * 1000)
    found = []
    for each in sets:
        one = _latest(store.select(each, now_ms - _LOOKBACK_MS + 1, now_ms))
        if len(one[0]):
            reserve(len(one[0]) * (_OF_ROW + _OF_CODE * len(one[0].columns)))
            found.append(one)
    text = _exposition(found, reserve) if found else ""
    return Response(text, media_type=CONTENT_TYPE)


def _exposition(found: Sequence[tuple[SeriesTable, Ints, Floats]], reserve: Reserve) -> str:
    table = concat_tables([one[0] for one in found])
    times = np.concatenate([one[1] for one in found])
    values = np.concatenate([one[2] for one in found])
    _, once = np.unique(table.keys(), return_index=True)  # removes duplicates of several selectors
    table, times, values = table.take(once), times[once], values[once]
    reserve(_COPIES * int(export.label_bytes(table).sum()))
    by_labels = table.order()
    names = table.column(METRIC_NAME).compacted()
    rows = by_labels[np.argsort(names.codes[by_labels], kind="stable")]
    labels = _label_texts(table.take(rows))
    shown = [_NOT_IN_METRIC_NAMES.sub("_", text) for text in names.values]
    lines: list[str] = []
    before = -1
    for code, own, value, at in zip(
        names.codes[rows].tolist(), labels, values[rows].tolist(), times[rows].tolist(), strict=True
    ):
        if code != before:
            lines.append(f"# TYPE {shown[code]} untyped\n")
            before = code
        lines.append(f"{shown[code]}{{{own}}} {go_number(value)} {at}\n")
    return "".join(lines)


def _latest(selection: Selection) -> tuple[SeriesTable, Ints, Floats]:
    """Series with their last samples, without series that end with a staleness marker."""
    none = np.zeros(0, np.int64)
    parts: list[tuple[Ints, Ints, Floats]] = [(none, none, np.zeros(0))]
    for view in selection.views():
        flat = view.ragged()
        filled = np.flatnonzero(np.diff(flat.bounds))
        last = flat.bounds[filled + 1] - 1
        alive = ~is_stale(flat.values[last])
        last = last[alive]
        parts.append((flat.rows[filled][alive], flat.timestamps[last], flat.values[last]))
    rows, times, values = (np.concatenate(column) for column in zip(*parts, strict=True))
    return selection.series.take(rows), times, values


def _label_texts(table: SeriesTable) -> list[str]:
    """The labels of each row as text. A row without `instance` ends with an empty one."""
    texts = [""] * len(table)
    for name, column in table.columns.items():
        if name == METRIC_NAME:
            continue
        shown = _NOT_IN_LABEL_NAMES.sub("_", name)
        words = [f'{shown}="{_quoted(value)}",' for value in column.values]
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


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
