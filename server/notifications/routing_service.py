"""Use cases of the alert routing."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from novaql.server.db.engine import flushed_or
from novaql.server.db.unit import Unit
from novaql.server.errors import Conflict
from novaql.server.ids import new_id
from novaql.server.notifications.dispatch import REGROUP
from novaql.server.notifications.lookup import check_channels
from novaql.server.notifications.routing_config import RouteBody, RoutingPlan, channels_in
from novaql.server.notifications.schema import RoutingShown, SetRouting
from novaql.server.notifications.tables import Routing


def replace(
    unit: Unit, body: SetRouting, plan: RoutingPlan, seen: int | None
) -> tuple[Routing, bool]:
    """Set a checked routing. Returns its row, and whether it is the first."""
    check_channels(unit, channels_in(plan.root), "/route")
    row, before = save(unit, body, seen)
    after = {"version": row.version, **row.config}
    unit.audit("alert_routing.set", ("alert_routing", row.id), before=before, after=after)
    return row, before is None


def save(unit: Unit, body: SetRouting, seen: int | None) -> tuple[Routing, dict[str, Any] | None]:
    """Store a routing. Returns its row and the previous content. `seen` is the If-Match version."""
    config = config_of(body)
    row = unit.session.execute(select(Routing).with_for_update()).scalar_one_or_none()
    if row is None:
        row = Routing(id=new_id("rtg"), created_at=unit.now(), config=config)
        taken = Conflict("it was changed by another request", code="version_conflict")
        with flushed_or(unit.session, taken):
            unit.session.add(row)
        before: dict[str, Any] | None = None
    else:
        unit.expect(row, body.version if seen is None else seen)
        before = {"version": row.version, **row.config}
        row.config = config
        unit.touch(row)
    unit.enqueue(REGROUP, key="all")
    return row, before


def config_of(body: SetRouting) -> dict[str, Any]:
    """The document to store."""
    return body.model_dump(mode="json", exclude={"version"}, exclude_none=True)


def shown(row: Routing | None, proposed: dict[str, Any] | None = None) -> RoutingShown:
    """The response model of the routing. `proposed` is a document that is not stored."""
    config: dict[str, Any] = proposed or (_NOTHING if row is None else row.config)
    absent = {"id": None, "created_at": None, "updated_at": None, "version": 0}
    return RoutingShown.of_row(
        row,
        route=config["route"],
        inhibit_rules=config.get("inhibit_rules", []),
        time_intervals=config.get("time_intervals", []),
        **(absent if row is None else {}),
    )


_NOTHING = {"route": RouteBody.model_validate({}).model_dump(mode="json")}
