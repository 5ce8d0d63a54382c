"""Silences in the database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import bindparam, or_, select

from novaql.server.alert_model.identity import silence_id
from novaql.server.alert_model.matcher_text import from_rows, to_rows
from novaql.server.alert_model.tables import Alert
from novaql.server.clock import rfc3339
from novaql.server.db.engine import flushed_or
from novaql.server.db.tenant_limits import check_limit
from novaql.server.db.tenant_scope import Prepared
from novaql.server.db.unit import Unit
from novaql.server.errors import Conflict
from novaql.server.silences.model import Revision, Silence
from novaql.server.silences.tables import SilenceRow
from novaql.tsdb import Matcher

_REVISIONS = TypeAdapter(tuple[Revision, ...])
_ACTIVE = Prepared(
    select(SilenceRow).where(
        SilenceRow.lifted_at.is_(None),
        SilenceRow.starts_at <= bindparam("now"),
        or_(SilenceRow.ends_at.is_(None), SilenceRow.ends_at > bindparam("now")),
    )
)


def silence_of(row: SilenceRow) -> Silence:
    """The model of a row."""
    revisions = _REVISIONS.validate_python(row.revisions)
    return Silence(row.id, from_rows(row.matchers), revisions, row.lifted_at)


def active_silences(unit: Unit) -> list[Silence]:
    """The silences that are active now."""
    return [silence_of(row) for row in _ACTIVE.run(unit.session, now=unit.now()).scalars()]


def silence(
    unit: Unit,
    matchers: Sequence[Matcher],
    *,
    starts_at: datetime,
    ends_at: datetime | None,
    reason: str,
    alert: Alert | None = None,
    until_resolved: bool = False,
) -> tuple[SilenceRow, dict[str, Any] | None]:
    """Create a silence, or revise the one with these matchers.

    Returns the row, and how it was before if it was pending or active, for the audit log. Raises
    the 409 `silence_active` where an active silence would begin later.
    """
    key = silence_id(unit.tenant_id, matchers)
    row = unit.find(SilenceRow, key, lock=True)
    by = unit.actor.name
    known = None if row is None else silence_of(row)
    new = known is None or not known.is_current(unit.now())
    if new:
        lasting = SilenceRow.ends_at.is_(None) | (SilenceRow.ends_at > unit.now())
        check_limit(unit, "max_silences", SilenceRow, SilenceRow.lifted_at.is_(None), lasting)
    if row is None or known is None:
        first = Revision(1, starts_at, ends_at, reason, by, unit.now())
        row = SilenceRow(
            id=key,
            created_at=unit.now(),
            matchers=to_rows(matchers),
            alert_id=None if alert is None else alert.id,
            until_resolved=until_resolved,
        )
        _set(row, Silence(key, tuple(matchers), (first,)))
        taken = Conflict("it was silenced just now", code="silenced_already")
        with flushed_or(unit.session, taken):
            unit.session.add(row)
        return row, None
    if known.is_active(unit.now()) and starts_at > unit.now():
        message = "a silence with the same matchers is active; end it, or begin with it"
        raise Conflict(message, code="silence_active")
    before = None if new else snapshot(row)
    row.until_resolved = until_resolved
    if alert is not None:
        row.alert_id = alert.id
    _set(row, known.revised(starts_at, ends_at, reason, by, unit.now()))
    unit.touch(row)
    return row, before


def lift(unit: Unit, row: SilenceRow) -> None:
    """End a silence now."""
    _set(row, silence_of(row).lifted(unit.now()))
    unit.touch(row)


def of_alert(unit: Unit, alert_id: str) -> SilenceRow | None:
    """The silence of exactly this alert, if it has not ended."""
    statement = select(SilenceRow).where(
        SilenceRow.alert_id == alert_id, SilenceRow.lifted_at.is_(None)
    )
    rows = unit.session.execute(statement.with_for_update()).scalars()
    return next((row for row in rows if silence_of(row).is_current(unit.now())), None)


def lift_of_resolved(unit: Unit, alert_ids: Iterable[str]) -> None:
    """End the silences that last until one of these alerts resolves."""
    wanted = set(alert_ids)
    if not wanted:
        return
    statement = select(SilenceRow).where(
        SilenceRow.until_resolved.is_(True), SilenceRow.lifted_at.is_(None)
    )
    for row in unit.session.execute(statement).scalars().all():
        if row.alert_id in wanted:
            lift(unit, row)


def snapshot(row: SilenceRow) -> dict[str, Any]:
    """A silence as the audit log stores it."""
    return {
        "id": row.id,
        "alert_id": row.alert_id,
        "matchers": row.matchers,
        "starts_at": rfc3339(row.starts_at),
        "ends_at": None if row.ends_at is None else rfc3339(row.ends_at),
        "lifted_at": None if row.lifted_at is None else rfc3339(row.lifted_at),
        "until_resolved": row.until_resolved,
        "reason": row.revisions[-1]["reason"],
        "revision": row.revisions[-1]["number"],
    }


def _set(row: SilenceRow, model: Silence) -> None:
    row.revisions = _REVISIONS.dump_python(model.revisions, mode="json")
    row.starts_at, row.ends_at = model.current.starts_at, model.current.ends_at
    row.lifted_at = model.lifted_at
