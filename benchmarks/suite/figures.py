"""Figures from results: ratios, their mean, and the format of a number."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

Results = dict[str, Any]


def geometric_mean(values: Iterable[float]) -> float:
    """The geometric mean; NaN without values."""
    logs = [math.log(value) for value in values if value > 0]
    return math.exp(sum(logs) / len(logs)) if logs else math.nan


def ratios(
    results: Results,
    ours: str,
    peer: str,
    figure: str,
    *,
    metadata: bool = False,
    part: str = "queries",
) -> dict[str, float]:
    """Query of a part → the peer's figure divided by ours, where both have one."""
    found = {}
    for row in results.get(part, []):
        both = row["systems"].get(ours, {}), row["systems"].get(peer, {})
        if (row["group"] == "metadata") is metadata and all(figure in one for one in both):
            found[row["query"]] = both[1][figure] / max(both[0][figure], 1e-6)
    return found


def number(value: float) -> str:
    """Format a number with about three digits."""
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"
