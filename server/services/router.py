"""/v1/services."""

from __future__ import annotations

import math

from sqlalchemy import select

from novaql.errors import NovaqlError
from novaql.server.incidents.recent import count_open, recent_of
from novaql.server.platform.calls import Answer, Call, created, listed, no_content, ok, operation
from novaql.server.platform.catalog.lookup import service_named
from novaql.server.platform.catalog.tables import Service
from novaql.server.platform.endpoint import Endpoint
from novaql.server.platform.measuring import Meter
from novaql.server.platform.scopes import Role
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
    HealthSlo,
    NodeOut,
    ReadingOut,
    RecentIncident,
    RegisterService,
    ServiceDetailOut,
    ServiceDetailQuery,
    ServiceOut,
    ServiceQuery,
    ServicesOut,
)
from novaql.server.services.signals import Reading, overall
from novaql.server.slo.posture import postures
from novaql.server.slo.service import archive


def list_services(call: Call) -> Answer:
    """The catalog, by name."""
    return listed(catalog.find(call, call.query(ServiceQuery)), catalog.shown)


def register_service(call: Call) -> Answer:
    """Register a service with its owner and tier. A name that is taken is a 409."""
    made = catalog.register(call, call.body(RegisterService))
    return created(catalog.shown(made), f"/v1/services/{made.name}")


def get_service(call: Call) -> Answer:
    """One service, with the newest incidents that affect it."""
    service = service_named(call, call.name("name"))
    most = call.query(ServiceDetailQuery).incidents
    return ok(
        ServiceDetailOut(
            **dict(catalog.shown(service)),
            open_incidents=count_open(call, service.name),
            recent_incidents=[
                RecentIncident.of(incident) for incident in recent_of(call, service.name, most)
            ],
        )
    )


def change_service(call: Call) -> Answer:
    """Change a service, from the `version` (or If-Match) that was seen last."""
    return ok(catalog.shown(catalog.change(call, call.name("name"), call.body(ChangeService))))


def delete_service(call: Call) -> Answer:
    """Take a service out of the catalog. Its objectives and their history are archived.

    409 `service_has_open_incidents` while incidents that affect it are open. Those that are
    resolved keep its name.
    """
    gone = catalog.remove(call, call.name("name"))
    archive(call, gone.name)
    return no_content()


def service_health(call: Call) -> Answer:
    """The golden signals now, each beside what it usually is, and the objectives in short."""
    service = service_named(call, call.name("name"))
    meter = Meter(call.context, call.now())
    signals = readings(service, meter)
    slos = [
        HealthSlo.model_validate(
            {
                "name": p.slo.name,
                "status": p.status,
                "remaining": None if p.budget is None else p.budget.remaining,
            }
        )
        for p in postures(call, meter, service.name)
    ]
    return ok(
        HealthOut.model_validate(
            {
                "service": service.name,
                "at": meter.at,
                "status": overall(signals),
                "signals": {name: _shown(reading) for name, reading in signals.items()},
                "slos": slos,
                "warnings": meter.warnings,
            }
        )
    )


def service_dependencies(call: Call) -> Answer:
    """The graph of dependencies around a service: declared edges and those that metrics show."""
    query = call.query(GraphQuery)
    here = service_named(call, call.name("name"))
    every = call.session.execute(select(Service)).scalars().all()
    declared = [Edge(s.name, other) for s in every for other in s.depends_on]
    warnings: list[str] = []
    seen: list[Edge] = []
    try:
        seen = discovered(Meter(call.context, call.now()), call.context.settings.calls_selector)
    except NovaqlError as problem:
        warnings.append(f"edges could not be discovered: {problem}")
    found = neighbourhood(
        here.name,
        merged(declared, seen),
        frozenset(s.name for s in every),
        direction=Direction(query.direction),
        depth=query.depth,
    )
    return ok(
        GraphOut(
            service=here.name,
            nodes=[NodeOut(name=name, kind=kind.value) for name, kind in found.nodes.items()],
            edges=[
                EdgeOut.model_validate(
                    {
                        "from": edge.source,
                        "to": edge.target,
                        "source": edge.origin,
                        "last_seen": edge.last_seen,
                    }
                )
                for edge in found.edges
            ],
            cycles=[list(cycle) for cycle in found.cycles],
            truncated=found.truncated,
            warnings=warnings,
        ).model_dump(mode="json", by_alias=True)
    )


def _shown(reading: Reading) -> ReadingOut:
    value: float | str | None = reading.value
    if reading.value is not None and math.isinf(reading.value):
        value = "+Inf" if reading.value > 0 else "-Inf"
    return ReadingOut.model_validate(
        {
            "value": value,
            "unit": reading.unit,
            "status": reading.status,
            "baseline": reading.baseline,
            "reason": reading.reason,
        }
    )


_EXAMPLE = {"name": "checkout", "owner": "payments", "tier": "tier1", "depends_on": ["ledger"]}

ENDPOINTS: tuple[Endpoint, ...] = (
    operation(
        "GET",
        "/v1/services",
        list_services,
        role=Role.READ_ONLY,
        tag="services",
        query=ServiceQuery,
        answer=ServicesOut,
        steady=True,
    ),
    operation(
        "POST",
        "/v1/services",
        register_service,
        role=Role.OPERATOR,
        tag="services",
        action="service.create",
        body=RegisterService,
        prepare=catalog.prepare,
        answer=ServiceOut,
        success=201,
        example=_EXAMPLE,
    ),
    operation(
        "GET",
        "/v1/services/{name}",
        get_service,
        role=Role.READ_ONLY,
        tag="services",
        query=ServiceDetailQuery,
        answer=ServiceDetailOut,
        steady=True,
    ),
    operation(
        "PATCH",
        "/v1/services/{name}",
        change_service,
        role=Role.OPERATOR,
        tag="services",
        action="service.update",
        body=ChangeService,
        prepare=catalog.prepare,
        answer=ServiceOut,
        errors=(409, 422),
        example={"version": 1, "owner": "checkout-team"},
    ),
    operation(
        "DELETE",
        "/v1/services/{name}",
        delete_service,
        role=Role.OPERATOR,
        tag="services",
        action="service.delete",
        success=204,
        errors=(409,),
    ),
    operation(
        "GET",
        "/v1/services/{name}/health",
        service_health,
        role=Role.READ_ONLY,
        tag="services",
        answer=HealthOut,
        errors=(422,),
        samples=True,
        measured=True,
    ),
    operation(
        "GET",
        "/v1/services/{name}/dependencies",
        service_dependencies,
        role=Role.READ_ONLY,
        tag="services",
        query=GraphQuery,
        answer=GraphOut,
        samples=True,
        measured=True,
    ),
)
