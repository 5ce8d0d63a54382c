"""Use cases of dashboards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, SQLColumnExpression, delete, func, literal, select

from novaql.server.auth.roles import Principal
from novaql.server.dashboards.schema import (
    DashboardOut,
    DashboardQuery,
    DashboardRow,
    PanelIn,
    PersonOut,
    SaveDashboard,
)
from novaql.server.dashboards.tables import Dashboard, DashboardVersion, Panel, PanelEmbed
from novaql.server.db.columns import Text
from novaql.server.db.tables import User
from novaql.server.db.tenant_limits import check_limit
from novaql.server.db.unit import Unit
from novaql.server.errors import Impossible, not_found
from novaql.server.http.pagination import Key, Page, Pager
from novaql.server.ids import new_id

KEYS = (Key(Dashboard.created_at), Key(Dashboard.id))
MOST_VERSIONS = 100


def find(unit: Unit, pages: Pager, query: DashboardQuery) -> Page[Dashboard]:
    """A page of dashboards, oldest first."""
    statement = select(Dashboard)
    if query.title is not None:
        title = func.lower(literal(query.title, Text()))
        statement = statement.where(_contains(func.lower(Dashboard.title), title))
    if query.tag is not None:
        line = literal(f"\n{query.tag}\n", Text())
        statement = statement.where(_contains(Dashboard.tag_lines, line))
    return pages.page(unit, statement, KEYS, query)


def _contains(
    text: SQLColumnExpression[str], part: SQLColumnExpression[str]
) -> ColumnElement[bool]:
    # LIKE ignores the case of ASCII letters in SQLite, and in no other database.
    return func.replace(text, part, "") != text


def rows_of(unit: Unit, dashboards: Sequence[Dashboard]) -> list[DashboardRow]:
    """The list entries of dashboards, in their order."""
    ids = [row.id for row in dashboards]
    counted = select(Panel.dashboard_id, func.count()).where(Panel.dashboard_id.in_(ids))
    counted = counted.group_by(Panel.dashboard_id)
    counts = {key: count for key, count in unit.session.execute(counted)}  # noqa: C416 - rows
    people = people_of(unit, (key for d in dashboards for key in (d.created_by, d.updated_by)))
    return [
        DashboardRow(
            **_head(row, people), title=row.title, tags=row.tags, panel_count=counts.get(row.id, 0)
        )
        for row in dashboards
    ]


def people_of(unit: Unit, ids: Iterable[str]) -> dict[str, PersonOut]:
    """Users by id. An unknown id is its own name."""
    wanted = set(ids)
    found = unit.session.execute(select(User).where(User.id.in_(wanted))).scalars()
    names = {user.id: user.name or user.email for user in found}
    return {key: PersonOut(id=key, name=names.get(key, key)) for key in wanted}


def panels_of(unit: Unit, dashboard_id: str) -> list[Panel]:
    """The panels of a dashboard, in order."""
    statement = select(Panel).where(Panel.dashboard_id == dashboard_id)
    return list(unit.session.execute(statement.order_by(Panel.position, Panel.id)).scalars())


def save(
    unit: Unit, body: SaveDashboard, caller: Principal, seen: int | None
) -> tuple[Dashboard, bool]:
    """Create a dashboard, or replace the version that the client saw. True if it is new.

    seen  the version of If-Match; it has precedence over that of the body
    """
    if body.id is None:
        check_limit(unit, "max_dashboards", Dashboard)
        dashboard = unit.new(Dashboard, "dash", created_by=caller.user_id)
        before, action = None, "dashboard.create"
    else:
        dashboard = unit.get(Dashboard, body.id, "dashboard", lock=True)
        unit.expect(dashboard, body.version if seen is None else seen)
        before, action = document(unit, dashboard), "dashboard.update"
    content = body.model_dump(mode="json", by_alias=True, exclude={"id", "version", "panels"})
    for column, value in content.items():
        setattr(dashboard, column, value)
    dashboard.tags = sorted(set(body.tags))
    dashboard.tag_lines = "\n".join(["", *dashboard.tags, ""])
    dashboard.updated_by = caller.user_id
    unit.session.add(dashboard)
    unit.session.flush()
    _save_panels(unit, dashboard, body.panels)
    after = unit.record(dashboard, action, before, partial(document, unit))
    _save_version(unit, dashboard, after)
    return dashboard, before is None


def end(unit: Unit, dashboard_id: str) -> None:
    """Delete a dashboard, with its panels, versions and embeddings."""
    dashboard = unit.get(Dashboard, dashboard_id, "dashboard", lock=True)
    unit.audit("dashboard.delete", ("dashboard", dashboard.id), before=document(unit, dashboard))
    _remove_panels(unit, [panel.id for panel in panels_of(unit, dashboard.id)])
    versions = delete(DashboardVersion).where(DashboardVersion.dashboard_id == dashboard.id)
    unit.session.execute(versions)
    unit.session.delete(dashboard)


def document(unit: Unit, dashboard: Dashboard) -> dict[str, Any]:
    """The content of a dashboard as plain JSON: the body of a save, with the ids of panels."""
    return {
        "title": dashboard.title,
        "description": dashboard.description,
        "tags": dashboard.tags,
        "variables": dashboard.variables,
        "panels": [
            {"id": panel.id, "title": panel.title, **panel.spec}
            for panel in panels_of(unit, dashboard.id)
        ],
        "annotations": dashboard.annotations,
        "refresh": dashboard.refresh,
        "time_range": dashboard.time_range,
    }


def shown(unit: Unit, dashboard: Dashboard) -> DashboardOut:
    """The response model of a whole dashboard."""
    people = people_of(unit, (dashboard.created_by, dashboard.updated_by))
    return DashboardOut.model_validate(document(unit, dashboard) | _head(dashboard, people))


def _head(dashboard: Dashboard, people: Mapping[str, PersonOut]) -> dict[str, Any]:
    return {
        "id": dashboard.id,
        "owner": people[dashboard.created_by],
        "last_edited_by": people[dashboard.updated_by],
        "last_edited_at": dashboard.updated_at,
        "created_at": dashboard.created_at,
        "updated_at": dashboard.updated_at,
        "version": dashboard.version,
    }


def versions_of(unit: Unit, dashboard_id: str) -> list[DashboardVersion]:
    """The retained versions, newest first."""
    unit.get(Dashboard, dashboard_id, "dashboard")
    statement = select(DashboardVersion).where(DashboardVersion.dashboard_id == dashboard_id)
    newest_first = statement.order_by(DashboardVersion.number.desc())
    return list(unit.session.execute(newest_first).scalars())


def version_of(unit: Unit, dashboard_id: str, number: str) -> DashboardVersion:
    """Find a version. Raises the 404."""
    found = {str(version.number): version for version in versions_of(unit, dashboard_id)}
    if number not in found:
        raise not_found("version", number, unit.tenant_name)
    return found[number]


def content_of(unit: Unit, version: DashboardVersion) -> dict[str, Any]:
    """The content of a version, as a save accepts it: panels that are deleted have no id."""
    known = {panel.id for panel in panels_of(unit, version.dashboard_id)}
    panels = [
        {name: value for name, value in panel.items() if name != "id" or value in known}
        for panel in version.document["panels"]
    ]
    return {**version.document, "panels": panels}


def _save_panels(unit: Unit, dashboard: Dashboard, panels: Sequence[PanelIn]) -> None:
    """Change, create and delete panels to match these. Existing ids do not change.

    A panel without an id updates the panel with the same title, if exactly one has it.
    """
    known = {panel.id: panel for panel in panels_of(unit, dashboard.id)}
    named = {panel.id for panel in panels if panel.id is not None}
    for number, panel in enumerate(panels):
        if panel.id is not None and panel.id not in known:
            raise Impossible(
                f"/panels/{number}/id: this dashboard has no panel {panel.id}; leave the id out "
                "to make one",
                code="unknown_panel",
            )
    by_title: dict[str, list[str]] = {}
    for key, row in known.items():
        if key not in named:
            by_title.setdefault(row.title, []).append(key)
    saved_ids = set()
    for position, panel in enumerate(panels):
        alike = by_title.get(panel.title, [])
        known_id = panel.id or (alike.pop() if len(alike) == 1 else None)
        spec = panel.model_dump(mode="json", exclude={"id", "title"})
        if known_id is None:
            row = unit.new(Panel, "pan", dashboard_id=dashboard.id)
            unit.session.add(row)
        else:
            row = known[known_id]
            if (row.title, row.spec, row.position) != (panel.title, spec, position):
                unit.touch(row)
        row.title, row.spec, row.position = panel.title, spec, position
        saved_ids.add(row.id)
    _remove_panels(unit, [key for key in known if key not in saved_ids])
    unit.session.flush()


def _remove_panels(unit: Unit, ids: list[str]) -> None:
    # Locked first, so that no embedding is created after the others are deleted.
    own = select(Panel.id).where(Panel.id.in_(ids)).order_by(Panel.id)
    unit.session.execute(own.with_for_update()).all()
    unit.session.execute(delete(PanelEmbed).where(PanelEmbed.panel_id.in_(ids)))
    unit.session.execute(delete(Panel).where(Panel.id.in_(ids)))


def _save_version(unit: Unit, dashboard: Dashboard, content: Mapping[str, Any]) -> None:
    unit.session.add(
        DashboardVersion(
            id=new_id("dver"),
            dashboard_id=dashboard.id,
            number=dashboard.version,
            at=dashboard.updated_at,
            by=dashboard.updated_by,
            document=dict(content),
        )
    )
    unit.session.execute(
        delete(DashboardVersion).where(
            DashboardVersion.dashboard_id == dashboard.id,
            DashboardVersion.number <= dashboard.version - MOST_VERSIONS,
        )
    )
