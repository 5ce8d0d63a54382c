"""Panels of a Grafana dashboard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from novaql.fast_dataclass import dataclass
from novaql.server.dashboards.grafana_parts import Part, Report, foreign

_SAME = frozenset({"timeseries", "stat", "gauge", "table", "heatmap", "text"})
_ALIKE = {"graph": "timeseries", "singlestat": "stat", "bargauge": "gauge", "table-old": "table"}
_DROPPED = {
    "transformations": "transformations",
    "links": "links",
    "alert": "an alert; make an alert rule of it",
    "repeat": "repetition for each value of a variable",
    "libraryPanel": "the link to a library panel",
    "timeFrom": "a time of its own",
    "timeShift": "a shift of time",
    "hideTimeOverride": "a time of its own",
    "interval": "the least step",
    "maxDataPoints": "the number of points",
}


@dataclass(frozen=True, slots=True)
class PanelReader:
    """Reads panels and reports losses. `parses(path, expr)` reports a query that does not parse."""

    report: Report
    parses: Callable[[str, str], bool]

    def read(self, dashboard: Part) -> list[dict[str, Any]]:
        """Convert every supported panel, including those in rows."""
        read = (self._panel(at, panel) for at, panel in self._every(dashboard))
        return [panel for panel in read if panel is not None]

    def _every(self, dashboard: Part) -> Iterator[tuple[str, Part]]:
        if dashboard.items("rows"):
            self.report.dropped("/rows", "the layout of Grafana before version 5")
        for at, panel in dashboard.parts("panels", "/panels", self.report):
            if panel.get("type") != "row":
                yield at, panel
                continue
            self.report.changed(at, "the row was dropped, its panels are imported")
            for inner, below in enumerate(panel.items("panels")):
                if isinstance(below, dict):
                    yield f"{at}/panels/{inner}", Part(below)

    def _panel(self, at: str, panel: Part) -> dict[str, Any] | None:
        kind = str(panel.get("type"))
        queries = self._queries(at, panel)
        known = kind if kind in _SAME else _ALIKE.get(kind)
        if known is None and not queries:
            self.report.dropped(at, f"a panel of type {kind[:40]} without a usable query")
            return None
        if known != "text" and not queries:
            self.report.dropped(at, "none of its queries can be imported")
            return None
        shown = known or "timeseries"
        if kind not in _SAME:
            self.report.changed(f"{at}/type", f"{kind[:40]} became {shown}")
        out: dict[str, Any] = {
            "title": panel.text("title")[:500],
            "description": panel.text("description")[:10_000],
            "type": shown,
            "queries": [] if shown == "text" else queries,
            "grid": _grid(panel.part("gridPos")),
        }
        self.report.dropped_fields(at, panel, _DROPPED)
        if shown == "text":
            return out | {"text": self._words(at, panel)}
        return out | self._field_config(at, panel)

    def _queries(self, at: str, panel: Part) -> list[dict[str, Any]]:
        out: list[dict[str, Any]] = []
        for number, found in enumerate(panel.items("targets")):
            path, target = f"{at}/targets/{number}", Part(found)
            expr, legend = target.text("expr"), target.text("legendFormat")
            other = foreign(target, panel)
            if isinstance(target.get("expr"), str) and other is not None:
                self.report.dropped(path, f"is a query of {other}, not of metrics")
            elif not expr.strip():
                self.report.dropped(path, "is no query of metrics")
            elif not self.parses(f"{path}/expr", expr):
                pass  # reported
            elif len(out) == 26:
                self.report.dropped(path, "a panel has 26 queries at most")
            else:
                if target.get("interval"):
                    self.report.dropped(f"{path}/interval", "the least step of a query")
                out.append(
                    {
                        "expr": expr,
                        "legend": None if legend in ("", "__auto") else legend[:500],
                        "instant": target.get("instant") is True
                        and target.get("range") is not True,
                        "hidden": target.get("hide") is True,
                    }
                )
        return out

    def _words(self, at: str, panel: Part) -> str:
        inside = panel.part("options") if isinstance(panel.get("options"), dict) else panel
        mode = inside.get("mode")
        if mode not in (None, "markdown"):
            self.report.changed(f"{at}/options/mode", f"{str(mode)[:20]} is imported as Markdown")
        return inside.text("content")[:50_000]

    def _field_config(self, at: str, panel: Part) -> dict[str, Any]:
        config, at = panel.part("fieldConfig"), f"{at}/fieldConfig"
        defaults = config.part("defaults")
        if config.items("overrides"):
            self.report.dropped(f"{at}/overrides", "settings of single series")
        lost = {"mappings": "texts for values", "links": "links"}
        self.report.dropped_fields(f"{at}/defaults", defaults, lost)
        unit = defaults.text("unit") if defaults.has("unit") else panel.text("format")
        decimals = defaults.get("decimals")
        return {
            "unit": unit[:64] or None,
            "decimals": decimals if isinstance(decimals, int) and 0 <= decimals <= 15 else None,
            "min": defaults.number("min"),
            "max": defaults.number("max"),
            "thresholds": self._thresholds(f"{at}/defaults/thresholds", defaults),
        }

    def _thresholds(self, at: str, defaults: Part) -> list[dict[str, Any]]:
        found = defaults.part("thresholds")
        if found.get("mode") == "percentage":
            self.report.dropped(at, "thresholds in per cent")
            return []
        steps = [
            {"value": step.number("value"), "color": color}
            for step in map(Part, found.items("steps"))
            if 0 < len(color := step.text("color")) <= 64
            and (step.get("value") is None or step.number("value") is not None)
        ]
        return self.report.cut(f"{at}/steps", steps, 50, "thresholds")


def _grid(found: Part) -> dict[str, int]:
    grid = {}
    for name, usual in {"x": 0, "y": 0, "w": 12, "h": 8}.items():
        number = found.number(name)
        grid[name] = usual if number is None else max(0, min(int(number), 10_000))
    return grid
