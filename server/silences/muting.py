"""The silences and the inhibiting alerts that mute alerts at a moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import select

from novaql.fast_dataclass import dataclass
from novaql.server.alert_model.tables import Alert
from novaql.server.db.tenant_scope import Prepared
from novaql.server.db.unit import Unit
from novaql.server.notifications.inhibition import Inhibitor
from novaql.server.notifications.routing_config import RoutingPlan
from novaql.server.silences.model import Silence
from novaql.server.silences.repository import active_silences

_FIRING = Prepared(select(Alert.id, Alert.labels).where(Alert.state == "firing"))


@dataclass(frozen=True, slots=True)
class Muting:
    """Active silences and firing alerts at `now`."""

    silences: Sequence[Silence]
    inhibitor: Inhibitor
    now: datetime

    @classmethod
    def of(cls, unit: Unit, plan: RoutingPlan) -> Muting:
        """Load them at the time of the unit."""
        firing: dict[str, Mapping[str, str]] = {}
        if plan.inhibit:
            rows = _FIRING.run(unit.session).all()
            firing = {row[0]: row[1] for row in rows}
        return cls(active_silences(unit), Inhibitor(plan.inhibit, firing), unit.now())

    def silences_of(self, labels: Mapping[str, str]) -> list[str]:
        """Ids of the silences that mute an alert with these labels."""
        return sorted(s.id for s in self.silences if s.mutes(labels, self.now))

    def suppressing(self, labels: Mapping[str, str]) -> list[str]:
        """Ids of the silences and of the inhibiting alerts that mute an alert with these labels."""
        return [*self.silences_of(labels), *self.inhibitor.inhibiting(labels)]
