"""Silences in the database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, or_, select

from novaql.server.alert_model import history
from novaql.server.alert_model.identity import matchers_of_alert, silence_id
from novaql.server.alert_model.matcher_text import from_rows, to_rows
from novaql.server.alert_model.tables import Alert
from novaql.server.clock import parse_time, rfc3339
from novaql.server.db.engine import flushed_or
from novaql.server.db.tenant_limits import check_limit
from novaql.server.db.tenant_scope import Prepared
from novaql.server.db.unit import Unit
from novaql.server.errors import Conflict
from novaql.server.silences.model import Revision, Silence
from novaql.server.silences.tables import SilenceRow
from novaql.tsdb import Matcher

SILENCED, LIFTED = "silenced", "unsilenced"
_ACTIVE = Prepared(
    select(SilenceRow).where(
        SilenceRow.lifted_at.is_(None),
        SilenceRow.starts_at <= bindparam("now"),
        or_(SilenceRow.ends_at.is_(None), SilenceRow.ends_at > bindparam("now")),
    )
)


def silence_of(row: SilenceRow) -> Silence:
    """The model of a row."""
    revisions = tuple(
        Revision(
            number=one["number"],
            starts_at=parse_time(one["starts_at"]),
            ends_at=None if one["ends_at"] is None else parse_time(one["ends_at"]),
            reason=one["reason"],
            created_by=one["created_by"],
            made_at=parse_time(one["made_at"]),
        )
        for one in row.revisions
    )
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
) -> tuple[SilenceRow, bool]:
    """Create a silence, or revise the one with these matchers. True if none was in force before."""
    key = silence_id(unit.tenant_id, matchers)
    row = unit.find(SilenceRow, key, lock=True)
    by = unit.actor.name
    if row is None or not is_current(row, unit.now()):
        lasting = SilenceRow.ends_at.is_(None) | (SilenceRow.ends_at > unit.now())
        check_limit(unit, "max_silences", SilenceRow, SilenceRow.lifted_at.is_(None), lasting)
    if row is None:
        first = Revision(1, starts_at, ends_at, reason, by, unit.now())
        model = Silence(key, tuple(matchers), (first,))
        row = SilenceRow(
            id=key,
            created_at=unit.now(),
            updated_at=unit.now(),
            version=1,
            matchers=to_rows(matchers),
            alert_id=None if alert is None else alert.id,
            until_resolved=until_resolved,
        )
        _set(row, model)
        with flushed_or(
            unit.session, Conflict("it was silenced just now", code="silenced_already")
        ):
            unit.session.add(row)
        return row, True
    known = silence_of(row)
    new = not _is_current(known, unit.now())
    row.until_resolved = until_resolved
    if alert is not None:
        row.alert_id = alert.id
    _set(row, known.revised(starts_at, ends_at, reason, by))
    unit.touch(row)
    return row, new


def silence_alert(
    unit: Unit, alert: Alert, ends_at: datetime | None, reason: str, *, until_resolved: bool
) -> tuple[SilenceRow, bool]:
    """Silence exactly one alert from now on. True if its own silence was not in force before."""
    made = silence(
        unit,
        matchers_of_alert(alert.labels),
        starts_at=unit.now(),
        ends_at=ends_at,
        reason=reason,
        alert=alert,
        until_resolved=until_resolved,
    )
    history.record(unit, alert, SILENCED, reason)
    return made


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
    return next((row for row in rows if is_current(row, unit.now())), None)


def lift_of_resolved(unit: Unit, alert_ids: Iterable[str]) -> list[SilenceRow]:
    """End the silences that last until one of these alerts resolves."""
    wanted = set(alert_ids)
    if not wanted:
        return []
    statement = select(SilenceRow).where(
        SilenceRow.until_resolved.is_(True), SilenceRow.lifted_at.is_(None)
    )
    ended = [r for r in unit.session.execute(statement).scalars() if r.alert_id in wanted]
    for row in ended:
        lift(unit, row)
    return ended


def is_current(row: SilenceRow, now: datetime) -> bool:
    """Whether the silence is active or pending."""
    return _is_current(silence_of(row), now)


def state_of(row: SilenceRow, now: datetime) -> str:
    """`pending`, `active` or `expired`."""
    known = silence_of(row)
    if known.is_active(now):
        return "active"
    return "pending" if _is_current(known, now) else "expired"


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


def _is_current(known: Silence, now: datetime) -> bool:
    return known.is_active(now) or (known.lifted_at is None and known.current.starts_at > now)


def _set(row: SilenceRow, model: Silence) -> None:
    row.revisions = [
        {
            "number": one.number,
            "starts_at": rfc3339(one.starts_at),
            "ends_at": None if one.ends_at is None else rfc3339(one.ends_at),
            "reason": one.reason,
            "created_by": one.created_by,
            "made_at": rfc3339(one.made_at),
        }
        for one in model.revisions
    ]
    row.starts_at, row.ends_at = model.current.starts_at, model.current.ends_at
    row.lifted_at = model.lifted_at
