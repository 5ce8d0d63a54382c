"""Grafana: its dashboards, as resources and as dashboards of this server.

Documentation: grafana.com/docs, "HTTP API", "Folder/dashboard search" and "Dashboard". It has not
been run against the real service.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from pydantic import Field

from novaql.server.integrations.import_dashboards import DashboardImport, dashboard_import
from novaql.server.integrations.listing import check_size
from novaql.server.integrations.provider import (
    Flow,
    Link,
    Provider,
    ProviderFault,
    ProviderSettings,
    Reason,
    Resource,
    Secret,
    SyncPage,
    TargetUrl,
)

_PAGE = 20


class GrafanaSettings(ProviderSettings):
    """The address of Grafana, and a token of a service account with the role Viewer."""

    base_url: TargetUrl = Field(description="without `/api/…`; a path before that is allowed")
    token: Secret = Field(description="of a service account with the role Viewer")
    import_dashboards: bool = Field(
        default=True, description="create and update dashboards of this server"
    )


class Grafana(Provider):
    """Dashboards."""

    name = "grafana"
    title = "Grafana"
    verified = False
    flows = (Flow.API_KEY,)
    kinds = ("dashboard",)
    complete = ("dashboard",)
    Settings = GrafanaSettings

    def headers(self, settings: GrafanaSettings, access_token: str | None) -> dict[str, str]:  # noqa: ARG002
        return {"Authorization": f"Bearer {settings.token}"}

    def test(self, link: Link) -> str:
        """The search requires a valid token. It lists only what the token may read."""
        some = _found(link, page=1, limit=1)
        return "connected; it has dashboards" if some else "connected; it lists no dashboard"

    def sync(self, link: Link, cursor: str | None) -> SyncPage:
        """The cursor is the number of the page of the search."""
        number = int(cursor or 1)
        found = _found(link, page=number, limit=_PAGE)
        resources: list[Resource] = []
        imports: list[DashboardImport] = []
        for one in found:
            dashboard = _dashboard(link, str(one["uid"]))
            if dashboard is None:
                continue
            resources.append(_resource(one, dashboard, self.base_url(link.settings)))
            if link.settings.import_dashboards:
                imports.append(dashboard_import(str(one["uid"]), dashboard["dashboard"]))
        more = len(found) == _PAGE
        return SyncPage(resources, str(number + 1) if more else None, more, imports)


def _found(link: Link, *, page: int, limit: int) -> list[dict[str, Any]]:
    answer = link.get("/api/search", {"type": "dash-db", "limit": limit, "page": page}).json
    if not isinstance(answer, list):
        raise ProviderFault(Reason.PROVIDER_ERROR, "the answer is not a list of dashboards")
    check_size(answer, limit)
    return answer


def _dashboard(link: Link, uid: str) -> dict[str, Any] | None:
    """A dashboard with its metadata. None: it was deleted since the search."""
    try:
        found = link.get(f"/api/dashboards/uid/{quote(uid, safe='')}").json
    except ProviderFault as fault:
        if fault.status == 404:
            return None
        raise
    if not isinstance(found, dict) or not isinstance(found.get("dashboard"), dict):
        raise ProviderFault(Reason.PROVIDER_ERROR, f"the answer is not the dashboard {uid[:40]}")
    whole: dict[str, Any] = found
    return whole


def _resource(one: dict[str, Any], found: dict[str, Any], base: str) -> Resource:
    path, version = one.get("url"), found["dashboard"].get("version")
    return Resource(
        "dashboard",
        str(one["uid"]),
        str(one.get("title") or ""),
        {
            "folder": one.get("folderTitle"),
            "tags": one.get("tags", []),
            "version": version if isinstance(version, int) else None,
        },
        url=base + path if isinstance(path, str) and path.startswith("/") else None,
    )


GRAFANA = Grafana()
