"""Use cases of the alert routing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from novaql.server.alert_model.tables import Routing
from novaql.server.alert_rules.jobs import REGROUP
from novaql.server.alert_rules.service import check_channels
from novaql.server.db.engine import flushed_or
from novaql.server.db.unit import Unit
from novaql.server.errors import Conflict
from novaql.server.http.preparing import Preparation
from novaql.server.ids import new_id
from novaql.server.notifications import dispatch
from novaql.server.notifications.routing import Destination
from novaql.server.notifications.routing_config import (
    RouteBody,
    RoutingPlan,
    channels_in,
    plan_of,
    understood,
)
from novaql.server.notifications.schema import RouteOut, RoutingShown, SetRouting, TryRouting


def current(unit: Unit) -> Routing | None:
    """The tenant's routing, if one was set."""
    return unit.session.execute(select(Routing)).scalar_one_or_none()


def replace(
    unit: Unit, body: SetRouting, plan: RoutingPlan, seen: int | None
) -> tuple[Routing, bool]:
    """Make a routing that has been checked the tenant's; the row, and whether it is the first."""
    check_channels(unit, channels_in(plan.root), "/route")
    row, before = save(unit, body, seen)
    after = {"version": row.version, **row.config}
    unit.audit("alert_routing.set", ("alert_routing", row.id), before=before, after=after)
    return row, before is None


def save(unit: Unit, body: SetRouting, seen: int | None) -> tuple[Routing, dict[str, Any] | None]:
    """Store a routing; the row, and what it was before. `seen`: the version of If-Match."""
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


def tried(unit: Unit, labels: Mapping[str, str], proposed: RoutingPlan | None) -> list[Destination]:
    """Where an alert with these labels would go by a proposed plan, or else by the tenant's."""
    return dispatch.routed(dispatch.routing_plan(unit) if proposed is None else proposed, labels)


def check(asked: Preparation) -> RoutingPlan:
    """The plan of a routing that is to be set."""
    body: SetRouting = asked.body
    plan = understood(body)
    plan_of(config_of(body))  # it is cached for readers of the stored document
    return plan


def check_trial(asked: Preparation) -> RoutingPlan | None:
    """The plan of a routing that is to be tried, if there is one."""
    body: TryRouting = asked.body
    return None if body.config is None else understood(body.config)


def config_of(body: SetRouting) -> dict[str, Any]:
    """The document as it is stored."""
    return body.model_dump(mode="json", exclude={"version"}, exclude_none=True)


def shown(row: Routing | None, proposed: dict[str, Any] | None = None) -> RoutingShown:
    """The routing as clients see it; `proposed`: a document that is not stored."""
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
