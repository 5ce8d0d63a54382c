"""Use cases of objectives: set, change, archive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from novaql.server.catalog.lookup import service_named
from novaql.server.db.engine import flushed_or
from novaql.server.db.tenant_limits import check_limit
from novaql.server.db.unit import Unit
from novaql.server.errors import Conflict, Detail, InvalidRequest, not_found
from novaql.server.ids import new_id
from novaql.server.slo.indicator import InvalidIndicator, read_indicator
from novaql.server.slo.objective import InvalidObjective, Objective
from novaql.server.slo.posture import window_of
from novaql.server.slo.rules import alert_rules
from novaql.server.slo.schema import CalendarBody, SetSlo
from novaql.server.slo.tables import Slo, SloTerm
from novaql.server.slo.window import InvalidWindow


def named(unit: Unit, service: str, name: str, *, lock: bool = False) -> Slo | None:
    """The objective of a service with a name, unless it is archived."""
    statement = select(Slo).where(Slo.key == _key(service, name))
    if lock:
        statement = statement.with_for_update()
    return unit.session.execute(statement).scalar_one_or_none()


@dataclass(frozen=True, slots=True)
class Checked:
    """A checked objective, in the form of its row.

    rules  its burn alerts
    """

    name: str
    objective: str
    window: dict[str, Any]
    indicator: dict[str, Any]
    min_events: int
    version: int | None
    rules: list[dict[str, Any]]


def checked(service: str, body: SetSlo) -> Checked:
    """Check an objective and build its rules. Slow: call it outside of transactions.

    Raises `InvalidRequest` for invalid fields, and the errors of parsing for its expressions.
    """
    window = (
        body.window.model_dump()
        if isinstance(body.window, CalendarBody)
        else {"rolling": body.window}
    )
    indicator = body.indicator.model_dump(exclude_none=True)
    check(body.objective, window, indicator)
    row = Slo(
        service=service,
        name=body.name,
        objective=body.objective,
        window=window,
        indicator=indicator,
        min_events=body.min_events,
    )
    return Checked(
        body.name,
        body.objective,
        window,
        indicator,
        body.min_events,
        body.version,
        alert_rules(row),
    )


def set_slo(unit: Unit, service: str, body: Checked, seen: int | None) -> tuple[Slo, bool]:
    """Create or change a checked objective. True if it is new.

    seen  the version of If-Match, if the request has one

    Raises `VersionConflict` for a change from an older version.
    """
    service_named(unit, service)
    window, indicator = body.window, body.indicator
    known = named(unit, service, body.name, lock=True)
    if known is None:
        return _create(unit, service, body), True
    unit.expect(known, body.version if seen is None else seen)
    before = snapshot(known)
    changed = (known.objective, known.window, known.indicator) != (
        body.objective,
        window,
        indicator,
    )
    known.objective, known.window, known.indicator = body.objective, window, indicator
    known.min_events = body.min_events
    _record(unit, known, "slo.update", before, body)
    if changed:
        _end_term(unit, known)
        _begin_term(unit, known)
    return known, False


def check(objective: str, window: Mapping[str, Any], indicator: Mapping[str, Any]) -> None:
    """Raise `InvalidRequest` that names the first invalid field, or `QueryError`."""
    try:
        Objective.parse(objective)
    except InvalidObjective as problem:
        raise _invalid("/objective", problem) from None
    try:
        window_of(window)
    except InvalidWindow as problem:
        raise _invalid("/window/zone" if "zone" in window else "/window", problem) from None
    try:
        read_indicator(indicator)
    except InvalidIndicator as problem:
        raise _invalid(f"/indicator/{problem.field}", problem) from None


def history(unit: Unit, slo: Slo) -> Sequence[SloTerm]:
    """The versions of an objective, newest first."""
    statement = select(SloTerm).where(SloTerm.slo_id == slo.id).order_by(SloTerm.valid_from.desc())
    return unit.session.execute(statement).scalars().all()


def remove(unit: Unit, service: str, name: str) -> None:
    """Archive one objective. Raises the 404 `slo_not_found`."""
    slo = named(unit, service, name, lock=True)
    if slo is None:
        raise not_found("slo", f"{service}/{name}", unit.tenant_name)
    _archive(unit, slo)


def archive(unit: Unit, service: str) -> None:
    """Archive every objective of a service that leaves the catalog."""
    statement = select(Slo).where(Slo.service == service, Slo.archived_at.is_(None))
    for slo in unit.session.execute(statement).scalars():
        _archive(unit, slo)


def snapshot(slo: Slo) -> dict[str, Any]:
    """An objective as the audit log stores it."""
    return {
        "id": slo.id,
        "service": slo.service,
        "name": slo.name,
        "objective": slo.objective,
        "window": slo.window,
        "indicator": slo.indicator,
        "min_events": slo.min_events,
        "version": slo.version,
    }


def apart(slo: Slo) -> Slo:
    """A copy that is not attached to a session."""
    return Slo(**{column.key: getattr(slo, column.key) for column in Slo.__table__.columns})


def _create(unit: Unit, service: str, body: Checked) -> Slo:
    check_limit(unit, "max_slos", Slo, Slo.archived_at.is_(None))
    now = unit.now()
    slo = Slo(
        id=new_id("slo"),
        created_at=now,
        updated_at=now,
        version=1,
        service=service,
        name=body.name,
        key=_key(service, body.name),
        objective=body.objective,
        window=body.window,
        indicator=body.indicator,
        min_events=body.min_events,
    )
    taken = Conflict("somebody else made it just now", code="version_conflict")
    with flushed_or(unit.session, taken):
        unit.session.add(slo)
    _begin_term(unit, slo)
    _record(unit, slo, "slo.create", None, body)
    return slo


def _archive(unit: Unit, slo: Slo) -> None:
    before = snapshot(slo)
    slo.archived_at = unit.now()
    slo.key = slo.id
    unit.record(slo, "slo.delete", before, event="slo.archived")
    _end_term(unit, slo)


def _record(
    unit: Unit, slo: Slo, action: str, before: dict[str, Any] | None, body: Checked
) -> None:
    rules = {"alert_rules": body.rules}
    unit.record(slo, action, before, snapshot, event="slo.saved", more=rules)


def _begin_term(unit: Unit, slo: Slo) -> None:
    unit.session.add(
        SloTerm(
            id=new_id("slt"),
            slo_id=slo.id,
            objective=slo.objective,
            window=slo.window,
            indicator=slo.indicator,
            valid_from=unit.now(),
        )
    )


def _end_term(unit: Unit, slo: Slo) -> None:
    statement = select(SloTerm).where(SloTerm.slo_id == slo.id, SloTerm.valid_until.is_(None))
    for term in unit.session.execute(statement).scalars():
        term.valid_until = unit.now()


def _key(service: str, name: str) -> str:
    return f"{service}/{name}"


def _invalid(pointer: str, problem: Exception) -> InvalidRequest:
    return InvalidRequest(
        str(problem), code="validation_error", details=[Detail(pointer, str(problem))]
    )
