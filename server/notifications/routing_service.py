"""Use cases of the alert routing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from novaql.server.db.engine import flushed_or
from novaql.server.db.unit import Unit
from novaql.server.errors import Conflict
from novaql.server.http.preparing import Preparation
from novaql.server.ids import new_id
from novaql.server.notifications.dispatch import REGROUP
from novaql.server.notifications.lookup import check_channels, destinations_for, routing_plan
from novaql.server.notifications.routing import Destination
from novaql.server.notifications.routing_config import (
    RouteBody,
    RoutingPlan,
    channels_in,
    compile_plan,
    plan_of,
)
from novaql.server.notifications.schema import (
    DestinationOut,
    RouteOut,
    RoutingShown,
    SetRouting,
    TryRouting,
)
from novaql.server.notifications.tables import Routing


def current(unit: Unit) -> Routing | None:
    """The routing of the tenant, or None."""
    return unit.session.execute(select(Routing)).scalar_one_or_none()


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
        now = unit.now()
        row = Routing(id=new_id("rtg"), created_at=now, updated_at=now, version=1, config=config)
        taken = Conflict("somebody else set it just now", code="version_conflict")
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


def destinations_of(
    unit: Unit, labels: Mapping[str, str], proposed: RoutingPlan | None
) -> list[Destination]:
    """The destinations of an alert by the proposed plan, or by that of the tenant."""
    return destinations_for(routing_plan(unit) if proposed is None else proposed, labels)


def destination_out(one: Destination) -> DestinationOut:
    """The wire shape of a destination."""
    return DestinationOut(
        route=one.path,
        channels=list(one.channels),
        group_by=list(one.group_by),
        group_wait=one.group_wait,
        group_interval=one.group_interval,
        repeat_interval=one.repeat_interval,
        mute_time_intervals=list(one.mute_times),
        active_time_intervals=list(one.active_times),
    )


def check(preparation: Preparation) -> RoutingPlan:
    """The plan of a new routing."""
    body: SetRouting = preparation.body
    plan = compile_plan(body)
    plan_of(config_of(body))  # caches the plan for readers of the stored document
    return plan


def check_trial(preparation: Preparation) -> RoutingPlan | None:
    """The plan of a proposed routing, if the body has one."""
    body: TryRouting = preparation.body
    return None if body.config is None else compile_plan(body.config)


def config_of(body: SetRouting) -> dict[str, Any]:
    """The document to store."""
    return body.model_dump(mode="json", exclude={"version"}, exclude_none=True)


def shown(row: Routing | None, proposed: dict[str, Any] | None = None) -> RoutingShown:
    """The wire shape of the routing. `proposed` is a document that is not stored."""
    config: dict[str, Any] = proposed or (_NOTHING if row is None else row.config)
    return RoutingShown(
        id=None if row is None else row.id,
        route=RouteOut.model_validate(config["route"]),
        inhibit_rules=config.get("inhibit_rules", []),
        time_intervals=config.get("time_intervals", []),
        created_at=None if row is None else row.created_at,
        updated_at=None if row is None else row.updated_at,
        version=0 if row is None else row.version,
    )


_NOTHING = {"route": RouteBody.model_validate({}).model_dump(mode="json")}
