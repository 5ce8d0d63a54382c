"""Answers of bounded size, which state the parts that were cut."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from novaql.mcp_server.backends import Answer

MAX_SERIES = 200
MAX_POINTS = 5_000
MAX_ITEMS = 1_000
MAX_BYTES = 200_000
"""Bounds of an answer: series, points of all of them, items of a list, bytes as JSON."""

_SAMPLES = ("values", "histograms")


def bounded_answer(answer: Answer, series: int) -> dict[str, Any]:
    """Return the first `series` series of an answer, with the newest points of each."""
    result, cut = answer.result, []
    if answer.kind in ("vector", "matrix"):
        most = max(1, min(series, MAX_SERIES))
        rows = result[:most]
        points = sum(len(row.get(name, ())) for row in rows for name in _SAMPLES)
        if points > MAX_POINTS:
            each = MAX_POINTS // len(rows)
            rows = [_newest(row, each) for row in rows]
            cut.append(f"the newest {each} points of each series, of {points} points in all")
        rows, whole = _within_bytes(rows)
        if not whole and not rows:
            rows = [_newest(row, 10) for row in result[:1]]
        if len(rows) < answer.series:
            cut.insert(0, f"{len(rows)} of {answer.series} series")
        result = rows
    return {
        "result_type": answer.kind,
        "result": result,
        "series_in_all": answer.series,
        "cut": cut,
        "warnings": list(answer.warnings),
        "infos": list(answer.infos),
    }


def bounded_list(items: Sequence[Any], limit: int) -> dict[str, Any]:
    """Return the first items of a list."""
    shown, _ = _within_bytes(list(items[: max(1, min(limit, MAX_ITEMS))]))
    cut = [] if len(shown) == len(items) else [f"{len(shown)} of {len(items)}"]
    return {"items": shown, "items_in_all": len(items), "cut": cut}


def bounded_text(text: str) -> dict[str, Any]:
    """Return the beginning of a text."""
    cut = [] if len(text) <= MAX_BYTES else [f"{MAX_BYTES} of {len(text)} characters"]
    return {"text": text[:MAX_BYTES], "cut": cut}


def _newest(row: dict[str, Any], count: int) -> dict[str, Any]:
    return {name: value[-count:] if name in _SAMPLES else value for name, value in row.items()}


def _within_bytes(items: list[Any]) -> tuple[list[Any], bool]:
    """The first items that together have at most MAX_BYTES as JSON, and whether these are all."""
    total = 0
    for count, item in enumerate(items):
        total += len(json.dumps(item))
        if total > MAX_BYTES:
            return items[:count], False
    return items, True
