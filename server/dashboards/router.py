"""/v1/dashboards."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Query, Response
from starlette.requests import Request

from novaql.server.auth.roles import Principal
from novaql.server.dashboards import service
from novaql.server.dashboards.checks import Tries, check_dashboard, prepare_dashboard
from novaql.server.dashboards.grafana_in import imported
from novaql.server.dashboards.grafana_out import exported
from novaql.server.dashboards.schema import (
    AnyDocument,
    DashboardOut,
    DashboardQuery,
    DashboardsOut,
    ExportQuery,
    ImportDashboard,
    ImportedDashboardOut,
    Note,
    PersonOut,
    SaveDashboard,
    VersionInFull,
    VersionOut,
    VersionsOut,
)
from novaql.server.dashboards.tables import Dashboard, DashboardVersion
from novaql.server.db.unit import Unit
from novaql.server.errors import InvalidRequest, invalid
from novaql.server.http.dependencies import (
    OPERATOR,
    READ_ONLY,
    Caller,
    IfMatch,
    Pages,
    ResourceId,
    UnitOfWork,
)
from novaql.server.http.preparing import Preparation, checked
from novaql.server.http.routing import api_router, audited, cached

router = api_router("/v1/dashboards", "dashboards")
UNKNOWN_ID = {"description": "There is no dashboard with the `id` of the body"}


async def checked_dashboard(request: Request, body: SaveDashboard) -> None:
    """Check a dashboard before it is saved."""
    await checked(request, body, prepare_dashboard)


async def read_import(request: Request, body: ImportDashboard) -> tuple[SaveDashboard, list[Note]]:
    """Convert and check a Grafana dashboard. Returns it with the report."""
    return await checked(request, body, _read_import)


@router.get("", dependencies=[READ_ONLY])
@cached(by="rows")
def list_dashboards(
    unit: UnitOfWork, pages: Pages, query: Annotated[DashboardQuery, Query()]
) -> DashboardsOut:
    """The dashboards, with their owners and the times of their last change."""
    page = service.find(unit, pages, query)
    rows = service.rows_of(unit, page.rows)
    return DashboardsOut(data=rows, next_cursor=page.next_cursor)


@router.post(
    "",
    status_code=201,
    dependencies=[OPERATOR, Depends(checked_dashboard)],
    responses={200: {"model": DashboardOut}, 404: UNKNOWN_ID},
)
@audited("dashboard.create")
def save_dashboard(
    unit: UnitOfWork, body: SaveDashboard, caller: Caller, seen: IfMatch, response: Response
) -> DashboardOut:
    """Create or replace a dashboard.

    A body with an `id` replaces that dashboard, from its `version` (or If-Match). If another client
    has saved it since, the request is a 409 `version_conflict` and changes nothing. A panel with an
    `id` remains the same panel, even if it moves. Every query must parse with placeholders for its
    variables; the first query that does not is a 422 with line and column.
    """
    return service.shown(unit, _saved(unit, body, caller, seen, response))


@router.post(
    "/import",
    status_code=201,
    dependencies=[OPERATOR],
    responses={200: {"model": ImportedDashboardOut}, 404: UNKNOWN_ID},
)
@audited("dashboard.import")
def import_dashboard(
    unit: UnitOfWork,
    body: ImportDashboard,
    found: Annotated[tuple[SaveDashboard, list[Note]], Depends(read_import)],
    caller: Caller,
    seen: IfMatch,
    response: Response,
) -> ImportedDashboardOut:
    """Import a Grafana dashboard. The report lists every dropped or changed part."""
    wanted, report = found
    if body.dry_run:
        unit.audit("dashboard.import", ("dashboard", body.id or ""), after={"dry_run": True})
        response.status_code = 200
        content = wanted.model_dump(mode="json", by_alias=True, exclude={"id", "version"})
        dashboard_id = version = None
    else:
        dashboard = _saved(unit, wanted, caller, seen, response)
        content = service.document(unit, dashboard)
        dashboard_id, version = dashboard.id, dashboard.version
    return ImportedDashboardOut(
        id=dashboard_id,
        version=version,
        dashboard=content,
        panels=len(wanted.panels),
        report=report,
    )


@router.get("/{id}", dependencies=[READ_ONLY])
@cached(by="rows")
def get_dashboard(unit: UnitOfWork, id: ResourceId) -> DashboardOut:
    """One dashboard, with its panels and variables."""
    return service.shown(unit, unit.get(Dashboard, id, "dashboard"))


@router.delete("/{id}", status_code=204, dependencies=[OPERATOR])
@audited("dashboard.delete")
def delete_dashboard(unit: UnitOfWork, id: ResourceId) -> None:
    """Delete a dashboard, with its panels and versions."""
    service.end(unit, id)


@router.get("/{id}/versions", dependencies=[READ_ONLY])
@cached(by="rows")
def list_dashboard_versions(unit: UnitOfWork, id: ResourceId) -> VersionsOut:
    """The last 100 versions of a dashboard, newest first."""
    found = service.versions_of(unit, id)
    people = service.people_of(unit, (version.by for version in found))
    return VersionsOut(
        data=[VersionOut.model_validate(_version(version, people)) for version in found]
    )


@router.get("/{id}/versions/{number}", dependencies=[READ_ONLY])
@cached(by="rows")
def get_dashboard_version(unit: UnitOfWork, id: ResourceId, number: ResourceId) -> VersionInFull:
    """One version of a dashboard. To restore it, save its content from the newest version.

    A panel that was deleted since has no `id`: it becomes a new panel.
    """
    version = service.version_of(unit, id, number)
    shown = _version(version, service.people_of(unit, [version.by]))
    content = service.content_of(unit, version)
    return VersionInFull.model_validate({**shown, "dashboard": content})


@router.get("/{id}/export", response_model=AnyDocument, dependencies=[READ_ONLY])
@cached(by="rows")
def export_dashboard(
    unit: UnitOfWork,
    id: ResourceId,
    query: Annotated[ExportQuery, Query()],
    response: Response,
) -> dict[str, Any]:
    """A dashboard as JSON, for Grafana or for POST /v1/dashboards."""
    dashboard = unit.get(Dashboard, id, "dashboard")
    response.headers["Content-Disposition"] = f'attachment; filename="{dashboard.id}.json"'
    content = service.document(unit, dashboard)
    if query.format == "grafana":
        return exported(dashboard.id, dashboard.version, content)
    for panel in content["panels"]:
        del panel["id"]
    return content


def _saved(
    unit: Unit, body: SaveDashboard, caller: Principal, seen: int | None, response: Response
) -> Dashboard:
    dashboard, fresh = service.save(unit, body, caller, seen)
    if fresh:
        response.headers["Location"] = f"/v1/dashboards/{dashboard.id}"
    else:
        response.status_code = 200
    return dashboard


def _read_import(preparation: Preparation) -> tuple[SaveDashboard, list[Note]]:
    body: ImportDashboard = preparation.body
    tries = Tries(preparation.checkpoint)
    found, report = imported(body.dashboard, tries.one)
    found = found.model_copy(update={"id": body.id, "version": body.version})
    try:
        check_dashboard(found, Tries(preparation.checkpoint))
    except InvalidRequest as problem:
        raise invalid("/dashboard", problem.message) from None
    return found, report


def _version(version: DashboardVersion, people: dict[str, PersonOut]) -> dict[str, Any]:
    title = str(version.document.get("title", ""))
    return {"number": version.number, "at": version.at, "by": people[version.by], "title": title}
