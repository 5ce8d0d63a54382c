"""/v1/alert-routing."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request, Response

from novaql.server.http.checks import checked
from novaql.server.http.dependencies import ADMIN, OPERATOR, READ_ONLY, IfMatch, UnitOfWork
from novaql.server.http.routing import api_router, audited
from novaql.server.notifications import routing_import
from novaql.server.notifications import routing_service as service
from novaql.server.notifications.routing_config import RoutingPlan
from novaql.server.notifications.schema import (
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
    return await checked(request, body, service.check)


async def checked_trial(request: Request, body: TryRouting) -> RoutingPlan | None:
    """The plan of a proposed routing."""
    return await checked(request, body, service.check_trial)


async def checked_file(
    request: Request, _seen: IfMatch, body: ImportRouting
) -> routing_import.ParsedFile:
    """A parsed file, after If-Match is read."""
    return await checked(request, body, routing_import.parse)


@router.get("", dependencies=[READ_ONLY])
def get_alert_routing(unit: UnitOfWork) -> RoutingShown:
    """The routing tree, inhibition rules and time intervals. Before one is set, `version` is 0
    and the tree names no channels."""
    return service.shown(service.current(unit))


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
    """Set the whole routing: 201 for the first, 200 for a change made from its `version`.

    Fields mean what they mean in Alertmanager's configuration, with `channels` in place of
    `receiver`. Alerts that fire go where the new tree sends them.
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
    """Where an alert with these labels would go, by the routing that is set or by another."""
    found = service.destinations_of(unit, body.labels, proposed)
    return TriedRouting(destinations=[service.destination_out(one) for one in found])


@router.post("/import", dependencies=[ADMIN])
@audited("alert_routing.import")
def import_alert_routing(
    unit: UnitOfWork,
    body: ImportRouting,
    file: Annotated[routing_import.ParsedFile, Depends(checked_file)],
    seen: IfMatch,
) -> ImportedRouting:
    """Take a configuration of Alertmanager in: its tree, inhibition rules and time intervals, and
    a channel for each webhook, Slack and mail integration of its receivers.

    A channel is called as its receiver; those that are there already are used as they are. What
    has no counterpart is listed in `dropped`, a channel that cannot be made in `missing`.
    """
    return routing_import.import_file(unit, file, seen, dry_run=body.dry_run)
