"""Alertmanager: its alerts, with labels, state and receivers. An alert that ended has vanished.

It is read through version 2 of its API, which every Alertmanager since 0.16 has. The tests run
against the real program. Silences are not imported.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from novaql.server.clock import parse_time
from novaql.server.integrations.http_login import LoginSettings, login_headers
from novaql.server.integrations.listing import only_page
from novaql.server.integrations.provider import (
    Flow,
    Link,
    Provider,
    ProviderFault,
    Reason,
    Resource,
    SyncPage,
)


class AlertmanagerSettings(LoginSettings):
    """Where it is, and the label of the service that an alert belongs to."""

    service_label: Annotated[str, Field(min_length=1, max_length=100)] = Field(
        "service", description="the label whose value is the name of a service"
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
        alerts = [_alert(one, link.settings.service_label) for one in found]
        return only_page(alerts, cursor)


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


ALERTMANAGER = Alertmanager()
