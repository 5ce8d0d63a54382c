"""Use cases of objectives: set, change, archive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select

from novaql import QueryError
from novaql.fast_dataclass import dataclass
from novaql.language import parse
from novaql.server.catalog.lookup import service_named
from novaql.server.db.engine import flushed_or
from novaql.server.db.tenant_limits import check_limit
from novaql.server.db.unit import Unit
from novaql.server.errors import Conflict, Detail, InvalidRequest, not_found
from novaql.server.escalation_model.lookup import check_policy
from novaql.server.ids import new_id
from novaql.server.slo.indicator import InvalidIndicator, counting_expressions, read_indicator
from novaql.server.slo.objective import InvalidObjective, Objective
from novaql.server.slo.posture import window_of
from novaql.server.slo.rules import alert_rules
from novaql.server.slo.schema import SetSlo
from novaql.server.slo.tables import Slo, SloTerm
from novaql.server.slo.window import InvalidWindow, check_zone


def named(unit: Unit, service: str, name: str, *, lock: bool = False) -> Slo | None:
    """The objective of a service with a name, unless it is archived."""
    statement = select(Slo).where(Slo.key == _key(service, name))
    if lock:
        statement = statement.with_for_update()
    return unit.session.execute(statement).scalar_one_or_none()


@dataclass(frozen=True, slots=True)
class Checked:
    """A checked objective.

    columns  the values of its row
    version  the version that the client saw
    rules    its burn alerts
    """

    columns: dict[str, Any]
    version: int | None
    rules: list[dict[str, Any]]


def checked(service: str, body: SetSlo) -> Checked:
    """Check an objective and build its rules. Slow: call it outside of transactions.

    Raises `InvalidRequest` for invalid fields, and `Impossible` for expressions that do not parse.
    """
    columns = body.model_dump(exclude={"version"}, exclude_none=True)
    columns["escalation_policy_id"] = body.escalation_policy_id
    if isinstance(body.window, str):
        columns["window"] = {"rolling": body.window}
    check(columns["objective"], columns["window"], columns["indicator"])
    rules = alert_rules(Slo(service=service, **columns))
    try:
        # An expression that just parses may be too deeply nested as a part of these.
        for expr in (
            *(rule["expr"] for rule in rules),
            *counting_expressions(columns["indicator"]),
        ):
            parse(expr)
    except QueryError as problem:
        field = {"ratio": "total", "latency": "histogram"}.get(columns["indicator"]["type"], "expr")
        reason = f"cannot be part of the expressions of an objective: {problem.message}"
        raise _invalid(f"/indicator/{field}", ValueError(reason)) from None
    return Checked(columns, body.version, rules)


def with_settings_of(known: Slo, body: Checked) -> Checked:
    """An imported objective with the settings of the current one that OpenSLO has no fields for."""
    current = {
        "escalation_policy_id": known.escalation_policy_id,
        "min_events": known.min_events,
    }
    columns = {**body.columns, **current}
    rules = body.rules
    if columns["min_events"] != body.columns["min_events"]:
        rules = alert_rules(Slo(service=known.service, **columns))
    return Checked(columns, known.version, rules)


def set_slo(unit: Unit, service: str, body: Checked, seen: int | None) -> tuple[Slo, bool]:
    """Create or change a checked objective. True if it is new.

    seen  the version of If-Match, if the request has one

    Raises `VersionConflict` for a change from an older version.
    """
    service_named(unit, service)
    known = named(unit, service, body.columns["name"], lock=True)
    policy_id = body.columns["escalation_policy_id"]
    if policy_id is not None and (known is None or policy_id != known.escalation_policy_id):
        check_policy(unit, policy_id, "/escalation_policy_id")
    if known is None:
        return _create(unit, service, body), True
    unit.expect(known, body.version if seen is None else seen)
    before, term = snapshot(known), _term(known)
    for column, value in body.columns.items():
        setattr(known, column, value)
    _record(unit, known, "slo.update", before, body)
    if _term(known) != term:
        _begin_term(unit, known, _end_term(unit, known))
    return known, False


def check(objective: str, window: Mapping[str, Any], indicator: Mapping[str, Any]) -> None:
    """Raise `InvalidRequest` or `Impossible` that names the first invalid field."""
    try:
        Objective.parse(objective)
        window_of(window)
        check_zone(window.get("zone", "UTC"))
        read_indicator(indicator)
    except InvalidObjective as problem:
        raise _invalid("/objective", problem) from None
    except InvalidWindow as problem:
        raise _invalid("/window/zone" if "zone" in window else "/window", problem) from None
    except InvalidIndicator as problem:
        raise _invalid(f"/indicator/{problem.field}", problem) from None


def history(unit: Unit, slo: Slo) -> Sequence[SloTerm]:
    """The versions of an objective, newest first."""
    statement = select(SloTerm).where(SloTerm.slo_id == slo.id)
    newest = (SloTerm.valid_from.desc(), SloTerm.valid_until.is_(None).desc(), SloTerm.id.desc())
    return unit.session.execute(statement.order_by(*newest)).scalars().all()


def remove(unit: Unit, service: str, name: str) -> None:
    """Archive one objective. Raises the 404 `slo_not_found`."""
    slo = named(unit, service, name, lock=True)
    if slo is None:
        raise not_found("slo", f"{service}/{name}", unit.tenant_name)
    _archive(unit, slo)


def archive(unit: Unit, service: str) -> None:
    """Archive every objective of a service that leaves the catalog."""
    statement = select(Slo).where(Slo.service == service, Slo.archived_at.is_(None))
    for slo in unit.session.execute(statement.order_by(Slo.id).with_for_update()).scalars():
        _archive(unit, slo)


def snapshot(slo: Slo) -> dict[str, Any]:
    """An objective as the audit log stores it."""
    return {
        "id": slo.id,
        "service": slo.service,
        "name": slo.name,
        **_term(slo),
        "min_events": slo.min_events,
        "escalation_policy_id": slo.escalation_policy_id,
        "version": slo.version,
    }


def apart(slo: Slo) -> Slo:
    """A copy that is not attached to a session."""
    return Slo(**{column.key: getattr(slo, column.key) for column in Slo.__table__.columns})


def _create(unit: Unit, service: str, body: Checked) -> Slo:
    check_limit(unit, "max_slos", Slo, Slo.archived_at.is_(None))
    slo = unit.new(
        Slo,
        "slo",
        service=service,
        key=_key(service, body.columns["name"]),
        **body.columns,
    )
    taken = Conflict("it was created by another request", code="version_conflict")
    with flushed_or(unit.session, taken):
        unit.session.add(slo)
    _begin_term(unit, slo, unit.now())
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


def _term(slo: Slo) -> dict[str, Any]:
    return {"objective": slo.objective, "window": slo.window, "indicator": slo.indicator}


def _begin_term(unit: Unit, slo: Slo, at: datetime) -> None:
    unit.session.add(SloTerm(id=new_id("slt"), slo_id=slo.id, **_term(slo), valid_from=at))


def _end_term(unit: Unit, slo: Slo) -> datetime:
    """End the current term. Return the time: now, or its beginning if the clock was set back since
    then, so that no term ends before it begins."""
    at = unit.now()
    statement = select(SloTerm).where(SloTerm.slo_id == slo.id, SloTerm.valid_until.is_(None))
    for term in unit.session.execute(statement).scalars():
        at = term.valid_until = max(at, term.valid_from)
    return at


def _key(service: str, name: str) -> str:
    return f"{service}/{name}"


def _invalid(pointer: str, problem: Exception) -> InvalidRequest:
    return InvalidRequest(
        str(problem), code="validation_error", details=[Detail(pointer, str(problem))]
    )
