"""Layout of panels on the grid, without overlaps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from novaql.server.dashboards.schema import COLUMNS


def packed(panels: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Lay out panels row by row: a panel that would overlap others moves down."""
    floor = [0] * COLUMNS  # the first free row of each column
    out = []
    for panel in sorted(panels, key=_place):
        grid = panel["grid"]
        width = max(1, min(grid["w"], COLUMNS))
        x = max(0, min(grid["x"], COLUMNS - width))
        y = max(grid["y"], *floor[x : x + width])
        height = max(1, min(grid["h"], 200))
        floor[x : x + width] = [y + height] * width
        out.append({**panel, "grid": {"x": x, "y": y, "w": width, "h": height}})
    return sorted(out, key=_place)


def _place(panel: dict[str, Any]) -> tuple[int, int]:
    return panel["grid"]["y"], panel["grid"]["x"]
