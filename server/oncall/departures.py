"""What follows when a user is deactivated: shifts after that time become gaps with a name."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import defer

from novaql.server.clock import rfc3339
from novaql.server.db.unit import Unit
from novaql.server.jobs.outbox import Consumer, EventEnvelope
from novaql.server.oncall.service import members_of
from novaql.server.oncall.tables import OncallDeparture, OncallOverride, OncallSchedule


def left(unit: Unit, event: EventEnvelope) -> None:
    """Record when a user left, and publish which schedules have a gap since then."""
    user_id: str = event.data["user_id"]
    statement = select(OncallDeparture).where(OncallDeparture.user_id == user_id)
    row = unit.session.execute(statement.with_for_update()).scalar_one_or_none()
    if row is None:
        row = OncallDeparture(user_id=user_id, at=event.at)
        unit.session.add(row)
    row.at = max(row.at, event.at)  # the relay does not preserve order
    replaced = select(OncallOverride.schedule_id).where(
        OncallOverride.user_id == user_id, OncallOverride.ends_at > event.at
    )
    overridden = set(unit.session.execute(replaced).scalars())
    wanted = (
        select(OncallSchedule).options(defer(OncallSchedule.former)).order_by(OncallSchedule.id)
    )
    schedules = unit.session.execute(wanted).scalars()
    for schedule in schedules:
        if user_id in members_of([schedule]) or schedule.id in overridden:
            data = {
                "schedule": {"id": schedule.id, "name": schedule.name},
                "user": {"id": user_id, "name": event.data["name"]},
                "at": rfc3339(event.at),
            }
            unit.publish("oncall.member_left", data)


CONSUMERS = (Consumer("user.deactivated", left),)
