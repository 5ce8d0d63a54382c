"""Use cases of the catalog."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from novaql.language import ValueType, parse_core, type_of
from novaql.server.catalog.lookup import service_named
from novaql.server.catalog.tables import Service
from novaql.server.db.engine import flushed_or
from novaql.server.db.tenant_limits import check_limit
from novaql.server.db.unit import Unit
from novaql.server.errors import Conflict, impossible, query_at
from novaql.server.incidents.recent import open_of
from novaql.server.services.schema import (
    ChangeService,
    RegisterService,
    ServiceOut,
    Signals,
)
from novaql.server.services.signals import configured

MOST_NAMED = 10
"""The most incidents that a rejection names."""


def register(unit: Unit, body: RegisterService) -> Service:
    """Register a service. Raises `Conflict` `service_exists`, and errors of its expressions."""
    check_limit(unit, "max_services", Service)
    service = unit.new(Service, "svc", **_columns(body))
    taken = Conflict(f"there is a service named {body.name} already", code="service_exists")
    with flushed_or(unit.session, taken):
        unit.session.add(service)
    unit.record(service, "service.create", None, snapshot)
    return service


def change(unit: Unit, name: str, body: ChangeService, seen: int | None) -> Service:
    """Change a service, from the version that the client saw.

    seen  the version of If-Match, if the request has one
    """
    service = service_named(unit, name, lock=True)
    unit.expect(service, body.version if seen is None else seen)
    before = snapshot(service)
    for column, value in _columns(body).items():
        setattr(service, column, value)
    unit.record(service, "service.update", before, snapshot)
    return service


def _columns(body: RegisterService | ChangeService) -> dict[str, Any]:
    columns = body.model_dump(exclude_none=True, exclude={"version"})
    if body.depends_on is not None:
        columns["depends_on"] = sorted(set(body.depends_on))
    if body.signals is not None:
        columns["signals"] = body.signals.settings()
    return columns


def remove(unit: Unit, name: str) -> Service:
    """Delete a service from the catalog. Services that depend on it still name it.

    Raises `Conflict` `service_has_open_incidents`.
    """
    service = service_named(unit, name, lock=True)
    if still := open_of(unit, name):
        few = ", ".join(still[:MOST_NAMED]) + (", …" if len(still) > MOST_NAMED else "")
        raise Conflict(
            f"{name} has {len(still)} open incident{'s' if len(still) > 1 else ''}: {few}",
            code="service_has_open_incidents",
        )
    unit.audit("service.delete", ("service", service.id), before=snapshot(service))
    unit.session.delete(service)
    return service


def shown(service: Service) -> ServiceOut:
    """The response model of a service with the default settings of its signals."""
    columns = {name: getattr(service, name) for name in ServiceOut.model_fields}
    columns["signals"] = {
        name: replace(signal, expr=signal.expression_for(service.name))
        for name, signal in configured(service.signals).items()
    }
    return ServiceOut.model_validate(columns)


def snapshot(service: Service) -> dict[str, Any]:
    """A service as the audit log stores it."""
    return shown(service).model_dump(mode="json")


def check_signals(name: str, signals: Signals | None) -> None:
    """Check the signals of a service. Parsing is slow: call it outside of transactions.

    Raises `Impossible` for an expression that does not parse, and `wrong_expression_type` for one
    that is neither an instant vector nor a scalar.
    """
    if signals is None:
        return
    for signal, made in configured(signals.settings()).items():
        plain = isinstance(getattr(signals, signal), str)
        pointer = f"/signals/{signal}" if plain else f"/signals/{signal}/expr"
        with query_at(pointer):
            kind = type_of(parse_core(made.expression_for(name)))
        if kind not in (ValueType.VECTOR, ValueType.SCALAR):
            message = f"the expression of {signal} returns a {kind.value}, not an instant vector"
            raise impossible(pointer, message, "wrong_expression_type")
