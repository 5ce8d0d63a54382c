"""Import of Grafana's dashboards as dashboards of this server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from novaql.fast_dataclass import dataclass
from novaql.server.auth.roles import Principal, Role
from novaql.server.dashboards.checks import Tries, check_dashboard
from novaql.server.dashboards.grafana_in import imported
from novaql.server.dashboards.schema import SaveDashboard
from novaql.server.dashboards.service import save
from novaql.server.dashboards.tables import Dashboard
from novaql.server.db.unit import Unit
from novaql.server.errors import ServerError, invalid
from novaql.server.integrations.import_reports import digest_of, reported
from novaql.server.versions import CURRENT

_VOLATILE = ("id", "version", "iteration")
"""Fields of a dashboard that change when its content does not."""


@dataclass(frozen=True, slots=True)
class DashboardImport:
    """A dashboard.

    uid     at Grafana;  digest: of what Grafana has sent
    body    None: it cannot be converted, and `problem` is the reason
    report  what the conversion dropped or changed, limited
    """

    uid: str
    digest: str
    body: SaveDashboard | None
    report: Mapping[str, Any]
    problem: str = ""

    @property
    def key(self) -> tuple[str, str]:
        return "dashboard", self.uid

    def save(self, unit: Unit, user_id: str, former: Mapping[str, Any]) -> Mapping[str, Any]:
        """Create the dashboard, or replace its content if Grafana's has changed. A dashboard that a
        user has deleted here is created again only when Grafana's has changed."""
        if former.get("digest") == self.digest:
            return former
        if self.body is None:
            raise invalid("/dashboard", self.problem)
        known = None
        if former.get("dashboard_id"):
            known = unit.find(Dashboard, former["dashboard_id"], lock=True)
        if known is None:
            body = self.body
        else:
            body = self.body.model_copy(update={"id": known.id, "version": known.version})
        row, _ = save(unit, body, _caller(unit, user_id), None)
        return {"dashboard_id": row.id, "digest": self.digest, **self.report}


def dashboard_import(uid: str, dashboard: Mapping[str, Any]) -> DashboardImport:
    """Convert and check a dashboard. It parses every query, so call it without a transaction."""
    digest = digest_of({k: v for k, v in dashboard.items() if k not in _VOLATILE})
    try:
        body, notes = imported(dashboard, Tries().one)
        check_dashboard(body, Tries())
    except ServerError as problem:
        return DashboardImport(uid, digest, None, {}, problem.message)
    shown = [f"{note.path}: {note.action}: {note.reason}" for note in notes]
    return DashboardImport(uid, digest, body, reported(shown))


def _caller(unit: Unit, user_id: str) -> Principal:
    """The user who has connected Grafana, as the owner of the dashboards."""
    return Principal(
        id=user_id,
        name=unit.actor.name,
        role=Role.OPERATOR,
        api_version=CURRENT,
        tenant_id=unit.tenant_id,
        tenant_name=unit.tenant_name,
        user_id=user_id,
        user_name=unit.actor.name,
    )
