"""Panels put on the grid so that none overlaps another."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from novaql.server.dashboards.schema import COLUMNS


def packed(panels: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The panels, row by row, each at its own place or as far below it as others make it go."""
    floor = [0] * COLUMNS  # of each column, the first row that is free
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
