"""/v1/alert-routing."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from novaql.server.alerts import telling
from novaql.server.alerts.channel_schema import (
    RouteOut,
    RoutingShown,
    SetRouting,
    TriedRouting,
    TryRouting,
)
from novaql.server.alerts.jobs import REGROUP
from novaql.server.alerts.routing_config import (
    RouteBody,
    RoutingPlan,
    channels_in,
    plan_of,
    understood,
)
from novaql.server.alerts.rules_router import destination_out
from novaql.server.alerts.rules_service import check_channels
from novaql.server.alerts.tables import Routing
from novaql.server.platform.calls import Answer, Call, created, ok, operation
from novaql.server.platform.endpoint import Endpoint
from novaql.server.platform.errors import Conflict
from novaql.server.platform.ids import new_id
from novaql.server.platform.preparing import Preparation
from novaql.server.platform.scopes import Role
from novaql.server.platform.state.database import flushed_or


def get_routing(call: Call) -> Answer:
    """The routing tree, inhibition rules and time intervals. Without any, nobody is told."""
    row = call.session.execute(select(Routing)).scalar_one_or_none()
    return ok(shown(row))


def set_routing(call: Call) -> Answer:
    """Set the whole routing: 201 for the first, 200 for a change made from its `version`.

    Fields mean what they mean in Alertmanager's configuration, with `channels` in place of
    `receiver`. Alerts that fire go where the new tree sends them.
    """
    body = call.body(SetRouting)
    plan: RoutingPlan = call.prepared
    check_channels(call, channels_in(plan.root), "/route")
    row, before = save(call, body)
    after = {"version": row.version, **row.config}
    call.audit("alert_routing.set", ("alert_routing", row.id), before=before, after=after)
    out = shown(row)
    return created(out, "/v1/alert-routing") if before is None else ok(out)


def save(call: Call, body: SetRouting) -> tuple[Routing, dict[str, Any] | None]:
    """Make a routing that has been checked the tenant's; the row, and what it was before."""
    config = config_of(body)
    row = call.session.execute(select(Routing).with_for_update()).scalar_one_or_none()
    if row is None:
        now = call.now()
        row = Routing(id=new_id("rtg"), created_at=now, updated_at=now, version=1, config=config)
        taken = Conflict("somebody else set it just now", code="version_conflict")
        with flushed_or(call.session, taken):
            call.session.add(row)
        before: dict[str, Any] | None = None
    else:
        call.expect(row, call.expected_version(body.version))
        before = {"version": row.version, **row.config}
        row.config = config
        call.touch(row)
    call.enqueue(REGROUP, key="all")
    return row, before


def prepare_routing(asked: Preparation) -> RoutingPlan:
    """The plan of a routing that is to be set."""
    body: SetRouting = asked.body
    plan = understood(body)
    plan_of(config_of(body))  # kept for who reads it afterwards
    return plan


def _prepare_trial(asked: Preparation) -> RoutingPlan | None:
    body: TryRouting = asked.body
    return None if body.config is None else understood(body.config)


def config_of(body: SetRouting) -> dict[str, Any]:
    """The document as it is kept."""
    return body.model_dump(mode="json", exclude={"version"}, exclude_none=True)


def try_routing(call: Call) -> Answer:
    """Where an alert with these labels would go, by the routing that is set or by another."""
    body = call.body(TryRouting)
    proposed: RoutingPlan | None = call.prepared
    plan = telling.routing_plan(call) if proposed is None else proposed
    found = telling.routed(plan, body.labels)
    return ok(TriedRouting(destinations=[destination_out(one) for one in found]))


def shown(row: Routing | None, proposed: dict[str, Any] | None = None) -> RoutingShown:
    """The routing as clients see it; `proposed`: a document that is not kept."""
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

_EXAMPLE = {
    "route": {
        "channels": ["log"],
        "group_by": ["alertname"],
        "group_wait": "30s",
        "routes": [{"matchers": ['severity="page"'], "repeat_interval": "1h"}],
    },
    "inhibit_rules": [
        {
            "source_matchers": ['severity="page"'],
            "target_matchers": ['severity="ticket"'],
            "equal": ["service"],
        }
    ],
    "time_intervals": [
        {"name": "weekend", "time_intervals": [{"weekdays": ["saturday", "sunday"]}]}
    ],
}

ENDPOINTS: tuple[Endpoint, ...] = (
    operation(
        "GET",
        "/v1/alert-routing",
        get_routing,
        role=Role.READ_ONLY,
        tag="alerts",
        answer=RoutingShown,
    ),
    operation(
        "POST",
        "/v1/alert-routing",
        set_routing,
        role=Role.OPERATOR,
        tag="alerts",
        action="alert_routing.set",
        body=SetRouting,
        prepare=prepare_routing,
        answer=RoutingShown,
        success=201,
        answers={200: RoutingShown},
        example=_EXAMPLE,
    ),
    operation(
        "POST",
        "/v1/alert-routing/test",
        try_routing,
        role=Role.READ_ONLY,
        tag="alerts",
        body=TryRouting,
        prepare=_prepare_trial,
        answer=TriedRouting,
        example={"labels": {"alertname": "InstanceDown", "severity": "page"}},
    ),
)
