"""Import of a Grafana dashboard. A report lists everything that the import drops or changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from novaql import ArgumentError, QueryError, duration_ms, to_ms
from novaql.server.dashboards.checks import BUILT_IN_DURATIONS, BUILT_IN_NUMBERS
from novaql.server.dashboards.grafana_panels import PanelReader
from novaql.server.dashboards.grafana_parts import Part, Report, foreign
from novaql.server.dashboards.grafana_variables import read_variable
from novaql.server.dashboards.interpolation import check
from novaql.server.dashboards.layout import packed
from novaql.server.dashboards.schema import MOST_PANELS, Note, SaveDashboard
from novaql.server.errors import invalid
from novaql.server.wording import worded


def imported(
    dashboard: Mapping[str, Any], before_try: Callable[[], None] = lambda: None
) -> tuple[SaveDashboard, list[Note]]:
    """Convert a dashboard. Returns a savable dashboard and the report. Raises `InvalidRequest`.

    before_try  the argument of `interpolation.check`
    """
    found = Part(dashboard)
    if isinstance(found.get("dashboard"), dict) and not found.has("panels"):
        found = found.part("dashboard")  # Grafana's GET /api/dashboards/uid/… wraps it
    title = found.text("title")
    if not title.strip():
        raise invalid("/dashboard/title", "a dashboard has a title")
    report = Report()
    variables = _variables(found, report)
    names = [*(v["name"] for v in variables), *BUILT_IN_DURATIONS, *BUILT_IN_NUMBERS]
    durations = [*BUILT_IN_DURATIONS, *(v["name"] for v in variables if v["type"] == "interval")]

    def parses(path: str, expr: str) -> bool:
        try:
            check(expr, names, durations, before_try)
        except QueryError as problem:
            place = f"line {problem.line}, column {problem.column}"
            report.dropped(path, f"the query does not parse: {problem.sentence} at {place}")
            return False
        return True

    panels = PanelReader(report, parses).read(found)
    if len(panels) > MOST_PANELS:
        raise invalid("/dashboard/panels", f"at most {MOST_PANELS} panels can be stored")
    _report_rest(found, report)
    tags = [t for t in found.items("tags") if isinstance(t, str) and t]
    content = {
        "title": title[:500],
        "description": found.text("description")[:10_000],
        "tags": report.cut("/tags", tags, 50, "tags"),
        "variables": variables,
        "panels": packed(panels),
        "annotations": _annotations(found, report, parses),
        "refresh": _refresh(found, report),
        "time_range": _time_range(found, report),
    }
    try:
        return SaveDashboard.model_validate(content), report.notes
    except ValidationError as problem:
        first = problem.errors()[0]
        pointer = "/dashboard/" + "/".join(str(part) for part in first["loc"])
        raise invalid(pointer, worded(first)) from None


def _variables(dashboard: Part, report: Report) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    templating = dashboard.part("templating")
    for at, variable in templating.parts("list", "/templating/list", report):
        read = read_variable(variable, at, report, [v["name"] for v in out])
        if read is not None:
            out.append(read)
    return out


def _annotations(
    dashboard: Part, report: Report, parses: Callable[[str, str], bool]
) -> list[dict[str, Any]]:
    out = []
    annotations = dashboard.part("annotations")
    for at, annotation in annotations.parts("list", "/annotations/list", report):
        if annotation.get("builtIn"):
            continue  # the built-in annotations of every Grafana dashboard
        expr = annotation.text("expr")
        if not expr or foreign(annotation):
            report.dropped(at, "an annotation that is no query of metrics")
        elif parses(f"{at}/expr", expr):
            out.append(
                {
                    "name": annotation.text("name")[:200] or "annotation",
                    "expr": expr,
                    "title": annotation.text("titleFormat")[:500],
                    "color": annotation.text("iconColor")[:64] or None,
                }
            )
    return report.cut("/annotations/list", out, 20, "annotations")


def _refresh(dashboard: Part, report: Report) -> str | None:
    refresh = dashboard.text("refresh")
    if not refresh:
        return None
    try:
        duration_ms(refresh)
    except ArgumentError:
        report.dropped("/refresh", f"{refresh[:40]!r} is no duration")
        return None
    return refresh


def _time_range(dashboard: Part, report: Report) -> dict[str, str]:
    usual = {"from": "now-1h", "to": "now"}
    found = dashboard.part("time")
    out = {}
    for name, fallback in usual.items():
        text = found.get(name) if found.has(name) else fallback
        try:
            to_ms(text, argument=name, now_ms=0)
        except (ArgumentError, TypeError):
            report.changed(f"/time/{name}", f"{str(text)[:40]!r} became {fallback}")
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


def _report_rest(dashboard: Part, report: Report) -> None:
    report.dropped_fields("", dashboard, _DROPPED)
    if dashboard.text("timezone") not in ("", "browser", "utc"):
        report.dropped("/timezone", "times are shown as the viewer has them")
