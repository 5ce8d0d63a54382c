"""/v1/alert-routing."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request, Response

from novaql.server.http.dependencies import ADMIN, OPERATOR, READ_ONLY, IfMatch, UnitOfWork
from novaql.server.http.preparing import checked
from novaql.server.http.routing import api_router, audited
from novaql.server.notifications import routing_import
from novaql.server.notifications import routing_service as service
from novaql.server.notifications.lookup import current_routing, destinations_for, routing_plan
from novaql.server.notifications.routing_config import (
    RoutingPlan,
    check_zones,
    compile_plan,
    plan_of,
)
from novaql.server.notifications.schema import (
    DestinationOut,
    ImportedRouting,
    ImportRouting,
    RoutingShown,
    SetRouting,
    TriedRouting,
    TryRouting,
)

router = api_router("/v1/alert-routing", "alerts")


async def checked_routing(request: Request, _seen: IfMatch, body: SetRouting) -> RoutingPlan:
    """The plan of a new routing, after If-Match is read."""
    check_zones(body)
    return await checked(request, body, lambda _: plan_of(service.config_of(body)))


async def checked_trial(request: Request, body: TryRouting) -> RoutingPlan | None:
    """The plan of a proposed routing."""
    if body.config is None:
        return None
    check_zones(body.config)
    return await checked(request, body.config, lambda proposed: compile_plan(proposed.body))


async def checked_file(
    request: Request, _seen: IfMatch, body: ImportRouting
) -> routing_import.ParsedFile:
    """A parsed file, after If-Match is read."""
    return await checked(request, body, routing_import.parse)


@router.get("", dependencies=[READ_ONLY])
def get_alert_routing(unit: UnitOfWork) -> RoutingShown:
    """The routing tree, inhibition rules and time intervals.

    Before the first routing is set, `version` is 0 and the tree names no channels.
    """
    return service.shown(current_routing(unit))


@router.post(
    "",
    status_code=201,
    dependencies=[OPERATOR],
    responses={200: {"model": RoutingShown}},
)
@audited("alert_routing.set")
def set_alert_routing(
    unit: UnitOfWork,
    body: SetRouting,
    plan: Annotated[RoutingPlan, Depends(checked_routing)],
    seen: IfMatch,
    response: Response,
) -> RoutingShown:
    """Replace the alert routing.

    201 for the first routing, 200 for a change made from its `version`. The fields have the
    meaning of Alertmanager's configuration, with `channels` in place of `receiver`. Firing alerts
    move to the groups of the new tree.
    """
    row, first = service.replace(unit, body, plan, seen)
    if first:
        response.headers["Location"] = "/v1/alert-routing"
    else:
        response.status_code = 200
    return service.shown(row)


@router.post("/test", dependencies=[READ_ONLY])
def try_alert_routing(
    unit: UnitOfWork,
    body: TryRouting,
    proposed: Annotated[RoutingPlan | None, Depends(checked_trial)],
) -> TriedRouting:
    """Find the destinations of an alert with these labels, by the current or a proposed routing."""
    found = destinations_for(proposed or routing_plan(unit), body.labels)
    return TriedRouting(destinations=[DestinationOut.of(one) for one in found])


@router.post("/import", dependencies=[ADMIN])
@audited("alert_routing.import")
def import_alert_routing(
    unit: UnitOfWork,
    body: ImportRouting,
    file: Annotated[routing_import.ParsedFile, Depends(checked_file)],
    seen: IfMatch,
) -> ImportedRouting:
    """Import an Alertmanager configuration.

    The import sets the routes, inhibition rules and time intervals, and creates a channel for each
    webhook, Slack and mail integration of the receivers. A channel has the name of its receiver;
    existing channels do not change. `dropped` lists the parts without a counterpart, and `missing`
    the channels that cannot be created.
    """
    return routing_import.import_file(unit, file, seen, dry_run=body.dry_run)
