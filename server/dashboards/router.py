"""/v1/dashboards."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from novaql.server.dashboards import service
from novaql.server.dashboards.checks import Tries, check_dashboard, prepare_dashboard
from novaql.server.dashboards.embeds import ENDPOINTS as EMBEDS
from novaql.server.dashboards.grafana_in import imported
from novaql.server.dashboards.grafana_out import exported
from novaql.server.dashboards.live import ENDPOINTS as LIVE
from novaql.server.dashboards.schema import (
    DashboardOut,
    DashboardQuery,
    DashboardsOut,
    ExportQuery,
    ImportDashboard,
    ImportedOut,
    Note,
    SaveDashboard,
    VersionInFull,
    VersionOut,
    VersionsOut,
)
from novaql.server.dashboards.tables import Dashboard, DashboardVersion
from novaql.server.platform.calls import Answer, Call, created, listed, no_content, ok, operation
from novaql.server.platform.endpoint import Endpoint
from novaql.server.platform.errors import InvalidRequest, invalid
from novaql.server.platform.preparing import Preparation
from novaql.server.platform.scopes import Role


class AnyDocument(BaseModel):
    """A dashboard in the form that was asked for."""


def list_dashboards(call: Call) -> Answer:
    """The dashboards with their owners, and when they were last edited."""
    page = service.find(call, call.query(DashboardQuery))
    rows = service.rows_of(call, page.rows)
    return listed(page, lambda dashboard: rows[dashboard.id])


def save_dashboard(call: Call) -> Answer:
    """Create a dashboard, or save one again.

    With an `id` it replaces that dashboard, made from `version` of it (or If-Match); if somebody
    saved it meanwhile, it is a 409 `version_conflict` and nothing is lost. Panels that bring their
    `id` stay the same panel, also when they move. Every query must parse whatever is chosen for its
    variables; the first that does not is a 422 with its line and column.
    """
    body = call.body(SaveDashboard)
    dashboard, fresh = service.save(call, body)
    shown = service.shown(call, dashboard)
    if fresh:
        return created(shown, f"/v1/dashboards/{dashboard.id}")
    return ok(shown)


def get_dashboard(call: Call) -> Answer:
    """A dashboard with its panels and variables."""
    dashboard = call.get(Dashboard, call.name("id"), "dashboard")
    return ok(service.shown(call, dashboard))


def delete_dashboard(call: Call) -> Answer:
    """Delete a dashboard with its panels and versions."""
    service.end(call, call.name("id"))
    return no_content()


def list_versions(call: Call) -> Answer:
    """The last hundred versions of a dashboard, the newest first."""
    found = service.versions_of(call, call.name("id"))
    people = service.people_of(call, (version.by for version in found))
    rows = [_version(version, people) for version in found]
    return ok({"data": [VersionOut.model_validate(row).model_dump(mode="json") for row in rows]})


def get_version(call: Call) -> Answer:
    """A version as it was saved. To restore it, save it again from the newest version."""
    version = service.version_of(call, call.name("id"), call.name("number"))
    shown = _version(version, service.people_of(call, [version.by]))
    return ok(VersionInFull.model_validate({**shown, "dashboard": version.document}))


def import_dashboard(call: Call) -> Answer:
    """Import a dashboard of Grafana. The report names everything that was dropped or changed."""
    body = call.body(ImportDashboard)
    found: SaveDashboard
    found, report = call.prepared
    dashboard, fresh = None, True
    if body.dry_run:
        call.audit("dashboard.import", ("dashboard", body.id or ""), after={"dry_run": True})
    else:
        dashboard, fresh = service.save(call, found)
    content = found.model_dump(mode="json", by_alias=True, exclude={"id", "version"})
    shown = ImportedOut(
        id=None if dashboard is None else dashboard.id,
        version=None if dashboard is None else dashboard.version,
        dashboard=content if dashboard is None else service.document(call, dashboard),
        panels=len(found.panels),
        report=report,
    )
    if dashboard is None or not fresh:
        return ok(shown)
    return created(shown, f"/v1/dashboards/{dashboard.id}")


def export_dashboard(call: Call) -> Answer:
    """A dashboard as JSON: for Grafana, or in the form that POST /v1/dashboards takes."""
    dashboard = call.get(Dashboard, call.name("id"), "dashboard")
    content = service.document(call, dashboard)
    if call.query(ExportQuery).format == "grafana":
        content = exported(dashboard.id, dashboard.version, content)
    else:
        for panel in content["panels"]:
            del panel["id"]
    name = f'attachment; filename="{dashboard.id}.json"'
    return Answer(200, content, {"Content-Disposition": name})


def _prepare_import(asked: Preparation) -> tuple[SaveDashboard, list[Note]]:
    body: ImportDashboard = asked.body
    tries = Tries(asked.checkpoint)
    found, report = imported(body.dashboard, tries.one)
    found = found.model_copy(update={"id": body.id, "version": body.version})
    try:
        check_dashboard(found, Tries(asked.checkpoint))
    except InvalidRequest as problem:
        raise invalid("/dashboard", problem.message) from None
    return found, report


def _version(version: DashboardVersion, people: dict[str, Any]) -> dict[str, Any]:
    title = str(version.document.get("title", ""))
    return {
        "number": version.number,
        "at": version.at,
        "by": people[version.by],
        "title": title,
    }


EXAMPLE: dict[str, Any] = {
    "title": "API",
    "variables": [
        {"name": "job", "type": "query", "query": "label_values(up, job)", "multi": True}
    ],
    "panels": [
        {
            "title": "Requests",
            "type": "timeseries",
            "unit": "reqps",
            "queries": [
                {
                    "expr": 'sum by (job) (rate(requests_total{job=~"$job"}[$__rate_interval]))',
                    "legend": "{{job}}",
                }
            ],
            "grid": {"x": 0, "y": 0, "w": 12, "h": 8},
        }
    ],
}
GRAFANA_EXAMPLE: dict[str, Any] = {
    "dashboard": {
        "title": "From Grafana",
        "panels": [
            {
                "type": "timeseries",
                "title": "Up",
                "targets": [{"expr": "up"}],
                "gridPos": {"x": 0, "y": 0, "w": 12, "h": 8},
            }
        ],
    }
}
_ONE = "/v1/dashboards/{id}"

ENDPOINTS: tuple[Endpoint, ...] = (
    operation(
        "GET",
        "/v1/dashboards",
        list_dashboards,
        role=Role.READ_ONLY,
        tag="dashboards",
        query=DashboardQuery,
        answer=DashboardsOut,
        steady=True,
    ),
    operation(
        "POST",
        "/v1/dashboards",
        save_dashboard,
        role=Role.OPERATOR,
        tag="dashboards",
        action="dashboard.create",
        body=SaveDashboard,
        prepare=prepare_dashboard,
        answer=DashboardOut,
        success=201,
        answers={200: DashboardOut},
        errors=(404,),
        example=EXAMPLE,
    ),
    operation(
        "POST",
        "/v1/dashboards/import",
        import_dashboard,
        role=Role.OPERATOR,
        tag="dashboards",
        action="dashboard.import",
        body=ImportDashboard,
        prepare=_prepare_import,
        answer=ImportedOut,
        success=201,
        answers={200: ImportedOut},
        errors=(404,),
        example=GRAFANA_EXAMPLE,
    ),
    operation(
        "GET",
        _ONE,
        get_dashboard,
        role=Role.READ_ONLY,
        tag="dashboards",
        answer=DashboardOut,
        steady=True,
    ),
    operation(
        "DELETE",
        _ONE,
        delete_dashboard,
        role=Role.OPERATOR,
        tag="dashboards",
        action="dashboard.delete",
        success=204,
    ),
    operation(
        "GET",
        _ONE + "/versions",
        list_versions,
        role=Role.READ_ONLY,
        tag="dashboards",
        answer=VersionsOut,
        steady=True,
    ),
    operation(
        "GET",
        _ONE + "/versions/{number}",
        get_version,
        role=Role.READ_ONLY,
        tag="dashboards",
        answer=VersionInFull,
        steady=True,
    ),
    operation(
        "GET",
        _ONE + "/export",
        export_dashboard,
        role=Role.READ_ONLY,
        tag="dashboards",
        query=ExportQuery,
        answer=AnyDocument,
        steady=True,
    ),
    *LIVE,
    *EMBEDS,
)
