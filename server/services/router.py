"""/v1/services."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query, Request, Response
from sqlalchemy import select

from novaql import NovaqlError
from novaql.server.catalog.lookup import service_named
from novaql.server.catalog.tables import Service
from novaql.server.http.dependencies import (
    OPERATOR,
    READ_ONLY,
    SAMPLES,
    IfMatch,
    Pages,
    ResourceId,
    Server,
    UnitOfWork,
)
from novaql.server.http.pagination import Key, equal_to
from novaql.server.http.preparing import checked
from novaql.server.http.routing import api_router, audited, cached
from novaql.server.incidents.recent import count_open, recent_of
from novaql.server.query.measure import Meter
from novaql.server.services import service as catalog
from novaql.server.services.discovery import discovered
from novaql.server.services.graph import Direction, Edge, merged, neighbourhood
from novaql.server.services.health import readings
from novaql.server.services.schema import (
    ChangeService,
    EdgeOut,
    GraphOut,
    GraphQuery,
    HealthOut,
    NodeOut,
    RecentIncident,
    RegisterService,
    ServiceDetailOut,
    ServiceDetailQuery,
    ServiceOut,
    ServiceQuery,
    ServicesOut,
)
from novaql.server.services.signals import overall
from novaql.server.slo.posture import postures
from novaql.server.slo.service import archive

router = api_router("/v1/services", "services")
KEYS = (Key(Service.name),)


async def checked_registration(request: Request, body: RegisterService) -> None:
    """Check the signals of a new service."""
    await checked(request, body, lambda _: catalog.check_signals(body.name, body.signals))


async def checked_change(request: Request, name: ResourceId, body: ChangeService) -> None:
    """Check the new signals of a service."""
    await checked(request, body, lambda _: catalog.check_signals(name, body.signals))


@router.get("", dependencies=[READ_ONLY])
@cached(by="rows")
def list_services(
    unit: UnitOfWork, pages: Pages, query: Annotated[ServiceQuery, Query()]
) -> ServicesOut:
    """The services of the catalog, by name."""
    found = select(Service).where(*equal_to(Service, query, "owner", "tier"))
    return ServicesOut.of(pages.page(unit, found, KEYS, query), catalog.shown)


@router.post("", status_code=201, dependencies=[OPERATOR, Depends(checked_registration)])
@audited("service.create")
def register_service(unit: UnitOfWork, body: RegisterService, response: Response) -> ServiceOut:
    """Register a service, with its owner and tier. 409 if the name is taken."""
    made = catalog.register(unit, body)
    response.headers["Location"] = f"/v1/services/{made.name}"
    return catalog.shown(made)


@router.get("/{name}", dependencies=[READ_ONLY])
@cached(by="rows")
def get_service(
    unit: UnitOfWork, name: ResourceId, query: Annotated[ServiceDetailQuery, Query()]
) -> ServiceDetailOut:
    """One service, with the newest incidents that affect it."""
    service = service_named(unit, name)
    return ServiceDetailOut(
        **dict(catalog.shown(service)),
        open_incidents=count_open(unit, service.name),
        recent_incidents=[
            RecentIncident.model_validate(incident)
            for incident in recent_of(unit, service.name, query.incidents)
        ],
    )


@router.patch(
    "/{name}",
    dependencies=[OPERATOR, Depends(checked_change)],
    responses={
        409: {"description": "The service has another version"},
        422: {"description": "An expression of its signals cannot be used"},
    },
)
@audited("service.update")
def change_service(
    unit: UnitOfWork, name: ResourceId, body: ChangeService, seen: IfMatch
) -> ServiceOut:
    """Change a service, from its `version` (or If-Match)."""
    return catalog.shown(catalog.change(unit, name, body, seen))


@router.delete(
    "/{name}",
    status_code=204,
    dependencies=[OPERATOR],
    responses={409: {"description": "Incidents that affect it are open"}},
)
@audited("service.delete")
def delete_service(unit: UnitOfWork, name: ResourceId) -> None:
    """Delete a service from the catalog. Its objectives are archived, with their history.

    409 `service_has_open_incidents` while open incidents affect it. Resolved incidents retain its
    name.
    """
    gone = catalog.remove(unit, name)
    archive(unit, gone.name)


@router.get(
    "/{name}/health",
    dependencies=[READ_ONLY, SAMPLES],
)
@cached(by="samples")
def get_service_health(unit: UnitOfWork, name: ResourceId, server: Server) -> HealthOut:
    """The golden signals of a service with their baselines, and a summary of its objectives."""
    service = service_named(unit, name)
    meter = Meter(server, unit.now())
    signals = readings(service, meter)
    slos = [
        {
            "name": p.slo.name,
            "status": p.status,
            "remaining": None if p.budget is None else p.budget.remaining,
        }
        for p in postures(unit, meter, service.name)
    ]
    return HealthOut.model_validate(
        {
            "service": service.name,
            "at": meter.at,
            "status": overall(signals),
            "signals": signals,
            "slos": slos,
            "warnings": meter.warnings,
        }
    )


@router.get("/{name}/dependencies", dependencies=[READ_ONLY, SAMPLES])
@cached(by="samples")
def get_service_dependencies(
    unit: UnitOfWork, name: ResourceId, query: Annotated[GraphQuery, Query()], server: Server
) -> GraphOut:
    """The dependency graph around a service, with declared and discovered edges."""
    here = service_named(unit, name)
    every = unit.session.execute(select(Service)).scalars().all()
    declared = [Edge(s.name, other) for s in every for other in s.depends_on]
    warnings: list[str] = []
    seen: list[Edge] = []
    try:
        meter = Meter(server, unit.now())
        seen = discovered(meter, server.settings.calls_selector)
        warnings += meter.warnings
    except NovaqlError as problem:
        warnings.append(f"edges could not be discovered: {problem}")
    found = neighbourhood(
        here.name,
        merged(declared, seen),
        frozenset(s.name for s in every),
        direction=Direction(query.direction),
        depth=query.depth,
    )
    return GraphOut(
        service=here.name,
        nodes=[NodeOut(name=name, kind=kind.value) for name, kind in found.nodes.items()],
        edges=[EdgeOut.model_validate(edge) for edge in found.edges],
        cycles=[list(cycle) for cycle in found.cycles],
        truncated=found.truncated,
        warnings=warnings,
    )
