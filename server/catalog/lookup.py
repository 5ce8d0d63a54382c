"""Look-ups of services by name."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select

from novaql.server.catalog.tables import Service
from novaql.server.db.unit import Unit
from novaql.server.errors import impossible, not_found


def service_named(unit: Unit, name: str, *, lock: bool = False) -> Service:
    """Return the tenant's service with a name. Raises the 404 `service_not_found`."""
    statement = select(Service).where(Service.name == name)
    if lock:
        statement = statement.with_for_update()
    found = unit.session.execute(statement).scalar_one_or_none()
    if found is None:
        raise not_found("service", name, unit.tenant_name)
    return found


def check_service(unit: Unit, name: str, pointer: str) -> None:
    """Raise `Impossible` `unknown_service` if the catalog does not have the name of a body.

    The service cannot be deleted before the unit ends.
    """
    if not services_held(unit, [name]):
        message = f"no service of the catalog is named {name}"
        raise impossible(pointer, message, "unknown_service")


def services_held(unit: Unit, names: Collection[str]) -> frozenset[str]:
    """Return which of these names the catalog has. None can be deleted before the unit ends."""
    wanted = select(Service.name).where(Service.name.in_(names)).order_by(Service.name)
    return frozenset(unit.session.execute(wanted.with_for_update(read=True)).scalars())
