"""Alertmanager: its alerts, with labels, state and receivers. An alert that ended has vanished.

It is read through version 2 of its API, which every Alertmanager since 0.16 has. The tests run
against the real program. Silences are not imported. With `open_incidents`, active alerts trigger
incidents.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field

from novaql.server.clock import parse_time, rfc3339
from novaql.server.db.unit import Unit
from novaql.server.integrations.http_login import LoginSettings, login_headers
from novaql.server.integrations.import_alerts import AlertImport, resolve_ended
from novaql.server.integrations.listing import only_page
from novaql.server.integrations.provider import (
    Flow,
    Imported,
    Link,
    Occurrence,
    Provider,
    ProviderFault,
    Reason,
    Resource,
    SyncPage,
)

Severity = Literal["sev1", "sev2", "sev3", "sev4", "sev5"]
_SEVERITIES: Mapping[str, Severity] = {
    "critical": "sev2",
    "error": "sev3",
    "warning": "sev4",
    "info": "sev5",
}
_OTHER_SEVERITY = "sev3"


class AlertmanagerSettings(LoginSettings):
    """The address of Alertmanager, the label of the service that an alert belongs to, and whether
    alerts become incidents."""

    service_label: Annotated[str, Field(min_length=1, max_length=100)] = Field(
        "service", description="the label whose value is the name of a service"
    )
    open_incidents: bool = Field(
        default=False,
        description="an active alert triggers an incident at the next sync, and resolves it when "
        "it has ended",
    )
    severities: Annotated[
        dict[Annotated[str, Field(min_length=1, max_length=200)], Severity], Field(max_length=50)
    ] = Field(
        default_factory=lambda: dict(_SEVERITIES),
        description=f"value of the label `severity` → severity of incidents; "
        f"usual: {_OTHER_SEVERITY}",
    )


class Alertmanager(Provider):
    """Alerts."""

    name = "alertmanager"
    title = "Alertmanager"
    verified = True
    flows = (Flow.API_KEY,)
    kinds = ("alert",)
    complete = ("alert",)
    Settings = AlertmanagerSettings

    def headers(self, settings: AlertmanagerSettings, access_token: str | None) -> dict[str, str]:  # noqa: ARG002
        return login_headers(settings)

    def test(self, link: Link) -> str:
        found = link.get("/api/v2/status").json
        return f"Alertmanager {found['versionInfo']['version']}, {found['cluster']['status']}"

    def sync(self, link: Link, cursor: str | None) -> SyncPage:
        found = link.get("/api/v2/alerts").json
        if not isinstance(found, list):
            raise ProviderFault(Reason.PROVIDER_ERROR, "the answer is not a list of alerts")
        settings: AlertmanagerSettings = link.settings
        page = only_page([_alert(one, settings.service_label) for one in found], cursor)
        if not settings.open_incidents:
            return page
        return replace(page, imports=[_import(one, settings) for one in page.resources])

    def vanished(self, unit: Unit, external_id: str, imported: Imported) -> Imported:
        return resolve_ended(unit, self.name, external_id, imported)


def _alert(one: dict[str, Any], service_label: str) -> Resource:
    """`endsAt` and `updatedAt` are left out: they change whenever Prometheus sends the alert."""
    labels = {str(name): str(value) for name, value in one["labels"].items()}
    status = one["status"]
    return Resource(
        "alert",
        str(one["fingerprint"]),
        labels.get("alertname", str(one["fingerprint"])),
        {
            "labels": labels,
            "annotations": one.get("annotations", {}),
            "state": status["state"],
            "silenced_by": sorted(status.get("silencedBy", [])),
            "inhibited_by": sorted(status.get("inhibitedBy", [])),
            "receivers": sorted(receiver["name"] for receiver in one.get("receivers", [])),
        },
        service=labels.get(service_label) or None,
        url=one.get("generatorURL") or None,
        at=parse_time(one["startsAt"]),
    )


def _import(one: Resource, settings: AlertmanagerSettings) -> AlertImport:
    """The incident of an alert."""
    notes = {str(name): str(value) for name, value in one.data["annotations"].items()}
    title = " ".join((notes.get("summary") or one.name).split())[:200].strip()
    severity = settings.severities.get(one.data["labels"].get("severity", ""), _OTHER_SEVERITY)
    assert one.at is not None
    return AlertImport(
        Alertmanager.name,
        one.data["state"] == "active",
        rfc3339(one.at),
        Occurrence(
            title or one.external_id,
            severity,
            () if one.service is None else (one.service[:63],),
            notes.get("description", "")[:10_000],
            one.external_id,
            resolve=False,
        ),
    )


ALERTMANAGER = Alertmanager()
