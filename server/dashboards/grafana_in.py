"""Import of a Grafana dashboard. A report lists everything that the import drops or changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from pydantic import ValidationError

from novaql import ArgumentError, QueryError, duration_ms, to_ms
from novaql.server.dashboards.checks import BUILT_IN_DURATIONS, BUILT_IN_NUMBERS
from novaql.server.dashboards.grafana_panels import PanelReader
from novaql.server.dashboards.grafana_sources import foreign
from novaql.server.dashboards.grafana_variables import read_variable
from novaql.server.dashboards.interpolation import check
from novaql.server.dashboards.layout import packed
from novaql.server.dashboards.schema import MOST_PANELS, Note, SaveDashboard
from novaql.server.errors import invalid
from novaql.server.wording import worded


class Report:
    """Dropped and changed parts, in the order of the document."""

    def __init__(self) -> None:
        self.notes: list[Note] = []

    def add(self, path: str, action: Literal["dropped", "changed"], reason: str) -> None:
        self.notes.append(Note(path=path, action=action, reason=reason))


def imported(
    dashboard: Mapping[str, Any], before_try: Callable[[], None] = lambda: None
) -> tuple[SaveDashboard, list[Note]]:
    """Convert a dashboard. Returns a savable dashboard and the report. Raises `InvalidRequest`.

    before_try  the argument of `interpolation.check`
    """
    inner = dashboard.get("dashboard")
    if isinstance(inner, Mapping) and "panels" not in dashboard:
        dashboard = inner  # Grafana's GET /api/dashboards/uid/… wraps it
    title = dashboard.get("title")
    if not isinstance(title, str) or not title.strip():
        raise invalid("/dashboard/title", "a dashboard has a title")
    report = Report()
    variables = _variables(dashboard, report)
    names = [*(v["name"] for v in variables), *BUILT_IN_DURATIONS, *BUILT_IN_NUMBERS]
    durations = [*BUILT_IN_DURATIONS, *(v["name"] for v in variables if v["type"] == "interval")]

    def parses(path: str, expr: str) -> bool:
        try:
            check(expr, names, durations, before_try)
        except QueryError as problem:
            place = f"line {problem.line}, column {problem.column}"
            report.add(path, "dropped", f"the query does not parse: {problem.sentence} at {place}")
            return False
        return True

    panels = PanelReader(report, parses).read(dashboard)
    if len(panels) > MOST_PANELS:
        raise invalid("/dashboard/panels", f"at most {MOST_PANELS} panels can be stored")
    _report_rest(dashboard, report)
    content = {
        "title": title[:500],
        "description": _text(dashboard.get("description"))[:10_000],
        "tags": [t for t in _list(dashboard.get("tags")) if isinstance(t, str) and t][:50],
        "variables": variables,
        "panels": packed(panels),
        "annotations": _annotations(dashboard, report, parses),
        "refresh": _refresh(dashboard, report),
        "time_range": _time_range(dashboard, report),
    }
    try:
        return SaveDashboard.model_validate(content), report.notes
    except ValidationError as problem:
        first = problem.errors()[0]
        pointer = "/dashboard/" + "/".join(str(part) for part in first["loc"])
        raise invalid(pointer, worded(first)) from None


def _variables(dashboard: Mapping[str, Any], report: Report) -> list[dict[str, Any]]:
    templating = dashboard.get("templating")
    found = templating.get("list") if isinstance(templating, Mapping) else None
    out: list[dict[str, Any]] = []
    for number, variable in enumerate(_list(found)):
        at = f"/templating/list/{number}"
        if not isinstance(variable, Mapping):
            report.add(at, "dropped", "is no object")
            continue
        read = read_variable(variable, at, report.add, [v["name"] for v in out])
        if read is not None:
            out.append(read)
    return out


def _annotations(dashboard: Mapping[str, Any], report: Report, parses: Any) -> list[dict[str, Any]]:
    annotations = dashboard.get("annotations")
    found = annotations.get("list") if isinstance(annotations, Mapping) else None
    out = []
    for number, annotation in enumerate(_list(found)):
        at = f"/annotations/list/{number}"
        if not isinstance(annotation, Mapping):
            report.add(at, "dropped", "is no object")
            continue
        if annotation.get("builtIn"):
            continue  # the built-in annotations of every Grafana dashboard
        expr = annotation.get("expr")
        if not isinstance(expr, str) or not expr or foreign(annotation):
            report.add(at, "dropped", "an annotation that is no query of metrics")
        elif parses(f"{at}/expr", expr):
            color = annotation.get("iconColor")
            out.append(
                {
                    "name": _text(annotation.get("name"))[:200] or "annotation",
                    "expr": expr,
                    "title": _text(annotation.get("titleFormat"))[:500],
                    "color": color[:64] if isinstance(color, str) and color else None,
                }
            )
    return out[:20]


def _refresh(dashboard: Mapping[str, Any], report: Report) -> str | None:
    refresh = dashboard.get("refresh")
    if not isinstance(refresh, str) or not refresh:
        return None
    try:
        duration_ms(refresh)
    except ArgumentError:
        report.add("/refresh", "dropped", f"{refresh[:40]!r} is no duration")
        return None
    return refresh


def _time_range(dashboard: Mapping[str, Any], report: Report) -> dict[str, str]:
    usual = {"from": "now-1h", "to": "now"}
    found = dashboard.get("time")
    if not isinstance(found, Mapping):
        return usual
    out = {}
    for name, fallback in usual.items():
        text = found.get(name, fallback)
        try:
            to_ms(text, argument=name, now_ms=0)
        except (ArgumentError, TypeError):
            report.add(f"/time/{name}", "changed", f"{str(text)[:40]!r} became {fallback}")
            return usual
        out[name] = str(text)
    return out


_DROPPED = {
    "links": "links to other dashboards",
    "timepicker": "settings of the time picker",
    "graphTooltip": "shared cross-hair",
    "weekStart": "the first day of the week",
    "fiscalYearStartMonth": "the fiscal year",
    "snapshot": "data of a snapshot",
    "__requires": "plugins that it requires",
}


def _report_rest(dashboard: Mapping[str, Any], report: Report) -> None:
    for name, what in _DROPPED.items():
        if dashboard.get(name):
            report.add(f"/{name}", "dropped", what)
    zone = dashboard.get("timezone")
    if isinstance(zone, str) and zone not in ("", "browser", "utc"):
        report.add("/timezone", "dropped", "times are shown as the viewer has them")


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
