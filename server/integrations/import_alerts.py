"""Alerts of another system as incidents of this server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from novaql.fast_dataclass import dataclass
from novaql.server.db.unit import Unit
from novaql.server.integrations.occurrences import report
from novaql.server.integrations.provider import Imported, Occurrence


@dataclass(frozen=True, slots=True)
class AlertImport:
    """An alert.

    active   it is neither silenced nor inhibited
    started  distinguishes an alert from an earlier one with the same labels
    """

    provider: str
    active: bool
    started: str
    occurrence: Occurrence

    @property
    def key(self) -> tuple[str, str]:
        return "alert", self.occurrence.dedup_key

    def save(self, unit: Unit, user_id: str, former: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG002
        """Trigger an incident, once for each start of the alert: one that people have resolved
        meanwhile is not triggered again."""
        if not self.active or former.get("started") == self.started:
            return former
        reporter = {"integration": self.provider, "external_id": self.occurrence.dedup_key}
        found = report(unit, self.provider, self.occurrence, reporter, "")
        return {"incident_id": found, "started": self.started}


def resolve_ended(unit: Unit, provider: str, external_id: str, imported: Imported) -> Imported:
    """Resolve the incident of an alert that has ended, if it is open. Return the result of its
    import without the start: an Alertmanager that restarts lists the same alerts again only when
    Prometheus has sent them, with their old starts, and they trigger incidents again."""
    if not imported.get("incident_id"):
        return imported
    ended = Occurrence("", "", (), "", external_id, resolve=True)
    resolved = report(unit, provider, ended, {}, f"the alert has ended at {provider}")
    return imported if resolved is None else {**imported, "started": None}
