"""Panels of a Grafana dashboard."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, Protocol

from novaql.server.dashboards.grafana_sources import foreign

_TYPES = {
    "timeseries": "timeseries",
    "graph": "timeseries",
    "stat": "stat",
    "singlestat": "stat",
    "gauge": "gauge",
    "bargauge": "gauge",
    "table": "table",
    "table-old": "table",
    "heatmap": "heatmap",
    "text": "text",
}
_SAME = frozenset({"timeseries", "stat", "gauge", "table", "heatmap", "text"})
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


class Adds(Protocol):
    """Adds an entry to a report."""

    def add(self, path: str, action: Literal["dropped", "changed"], reason: str) -> None: ...


class PanelReader:
    """Reads panels and reports losses. `parses(path, expr)` reports a query that does not parse."""

    def __init__(self, report: Adds, parses: Callable[[str, str], bool]) -> None:
        self._report = report
        self._parses = parses

    def read(self, dashboard: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Convert every supported panel, including those in rows."""
        out = []
        for at, panel in self._every(dashboard):
            read = self._panel(at, panel)
            if read is not None:
                out.append(read)
        return out

    def _every(self, dashboard: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
        if _list(dashboard.get("rows")):
            self._report.add("/rows", "dropped", "the layout of Grafana before version 5")
        for number, panel in enumerate(_list(dashboard.get("panels"))):
            at = f"/panels/{number}"
            if not isinstance(panel, Mapping):
                self._report.add(at, "dropped", "is no object")
            elif panel.get("type") == "row":
                self._report.add(at, "changed", "the row was dropped, its panels are imported")
                for inner, below in enumerate(_list(panel.get("panels"))):
                    if isinstance(below, Mapping):
                        yield f"{at}/panels/{inner}", below
            else:
                yield at, panel

    def _panel(self, at: str, panel: Mapping[str, Any]) -> dict[str, Any] | None:
        kind = str(panel.get("type"))
        queries = self._queries(at, panel)
        known = _TYPES.get(kind)
        if known is None and not queries:
            self._report.add(at, "dropped", f"a panel of type {kind[:40]} without a usable query")
            return None
        if known != "text" and not queries:
            self._report.add(at, "dropped", "none of its queries can be imported")
            return None
        shown = known or "timeseries"
        if kind not in _SAME:
            self._report.add(f"{at}/type", "changed", f"{kind[:40]} became {shown}")
        out: dict[str, Any] = {
            "title": _text(panel.get("title"))[:500],
            "description": _text(panel.get("description"))[:10_000],
            "type": shown,
            "queries": [] if shown == "text" else queries,
            "grid": _grid(panel.get("gridPos")),
        }
        self._report_rest(at, panel)
        if shown == "text":
            return out | {"text": self._words(at, panel)}
        return out | self._field_config(at, panel)

    def _queries(self, at: str, panel: Mapping[str, Any]) -> list[dict[str, Any]]:
        out: list[dict[str, Any]] = []
        for number, target in enumerate(_list(panel.get("targets"))):
            path = f"{at}/targets/{number}"
            expr = target.get("expr") if isinstance(target, Mapping) else None
            other = foreign(target, panel) if isinstance(target, Mapping) else None
            if isinstance(expr, str) and other is not None:
                self._report.add(path, "dropped", f"is a query of {other}, not of metrics")
                continue
            if not isinstance(expr, str) or not expr.strip():
                self._report.add(path, "dropped", "is no query of metrics")
                continue
            if not self._parses(f"{path}/expr", expr):
                continue
            if len(out) == 26:
                self._report.add(path, "dropped", "a panel has 26 queries at most")
                continue
            if target.get("interval"):
                self._report.add(f"{path}/interval", "dropped", "the least step of a query")
            legend = target.get("legendFormat")
            auto = not isinstance(legend, str) or legend in ("", "__auto")
            out.append(
                {
                    "expr": expr,
                    "legend": None if auto else str(legend)[:500],
                    "instant": target.get("instant") is True and target.get("range") is not True,
                    "hidden": target.get("hide") is True,
                }
            )
        return out

    def _words(self, at: str, panel: Mapping[str, Any]) -> str:
        options = panel.get("options")
        inside = options if isinstance(options, Mapping) else panel
        if inside.get("mode") not in (None, "markdown"):
            mode = str(inside.get("mode"))[:20]
            self._report.add(f"{at}/options/mode", "changed", f"{mode} is imported as Markdown")
        return _text(inside.get("content"))[:50_000]

    def _field_config(self, at: str, panel: Mapping[str, Any]) -> dict[str, Any]:
        config = panel.get("fieldConfig")
        config = config if isinstance(config, Mapping) else {}
        found = config.get("defaults")
        defaults: Mapping[str, Any] = found if isinstance(found, Mapping) else {}
        if _list(config.get("overrides")):
            self._report.add(f"{at}/fieldConfig/overrides", "dropped", "settings of single series")
        for name, what in (("mappings", "texts for values"), ("links", "links")):
            if defaults.get(name):
                self._report.add(f"{at}/fieldConfig/defaults/{name}", "dropped", what)
        out: dict[str, Any] = {}
        unit = defaults.get("unit", panel.get("format"))
        if isinstance(unit, str) and unit:
            out["unit"] = unit[:64]
        decimals = defaults.get("decimals")
        if isinstance(decimals, int) and 0 <= decimals <= 15:
            out["decimals"] = int(decimals)
        for name in ("min", "max"):
            if _number(defaults.get(name)):
                out[name] = float(defaults[name])
        thresholds = defaults.get("thresholds")
        if isinstance(thresholds, Mapping):
            out["thresholds"] = self._thresholds(
                f"{at}/fieldConfig/defaults/thresholds", thresholds
            )
        return out

    def _thresholds(self, at: str, found: Mapping[str, Any]) -> list[dict[str, Any]]:
        if found.get("mode") == "percentage":
            self._report.add(at, "dropped", "thresholds in per cent")
            return []
        steps = [
            {"value": None if step.get("value") is None else float(step["value"]), "color": color}
            for step in _list(found.get("steps"))
            if isinstance(step, Mapping)
            and isinstance(color := step.get("color"), str)
            and 0 < len(color) <= 64
            and (step.get("value") is None or _number(step.get("value")))
        ]
        return steps[:50]

    def _report_rest(self, at: str, panel: Mapping[str, Any]) -> None:
        for name, what in _DROPPED.items():
            if panel.get(name):
                self._report.add(f"{at}/{name}", "dropped", what)


def _grid(found: object) -> dict[str, int]:
    usual = {"x": 0, "y": 0, "w": 12, "h": 8}
    if not isinstance(found, Mapping):
        return usual
    return {
        name: max(0, min(int(found[name]), 10_000)) if _number(found.get(name)) else usual[name]
        for name in usual
    }


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
