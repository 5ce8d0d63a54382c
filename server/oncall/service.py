"""Use cases of schedules and overrides."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import orjson
from sqlalchemy import delete, func, select
from sqlalchemy.orm import defer

from novaql.server.auth.roles import Principal
from novaql.server.auth.user_access import DEACTIVATED
from novaql.server.clock import to_ms
from novaql.server.crypto.token_secrets import digest_of, new_secret
from novaql.server.db.tables import User
from novaql.server.db.tenant_limits import check_limit
from novaql.server.db.unit import Unit
from novaql.server.errors import impossible, invalid, not_found
from novaql.server.http.pagination import Key, Page, Pager, equal_to
from novaql.server.oncall.people import People, people_of
from novaql.server.oncall.reading import check_zone, checked_time, ended_by, layers_of
from novaql.server.oncall.schema import (
    LayerBody,
    MakeOverride,
    OverrideOut,
    OverrideQuery,
    SaveSchedule,
    ScheduleOut,
    ScheduleQuery,
)
from novaql.server.oncall.tables import OncallOverride, OncallSchedule

MOST_FORMER = 20
"""Most former terms of a schedule. The oldest of these applies to the time before it, too."""

MOST_FORMER_BYTES = 256 << 10
"""Size limit of all former terms as JSON; beyond it, the oldest ones are dropped."""

FORMER_RETAINED = timedelta(days=800)
"""How long a former term is retained after its end."""

_TICK = timedelta(milliseconds=1)
"""The precision of times in the database."""

KEYS = (Key(OncallSchedule.created_at), Key(OncallSchedule.id))
OVERRIDE_KEYS = (Key(OncallOverride.created_at), Key(OncallOverride.id))


def find(unit: Unit, pages: Pager, query: ScheduleQuery) -> Page[OncallSchedule]:
    """A page of schedules, oldest first."""
    statement = select(OncallSchedule).options(defer(OncallSchedule.former))
    statement = statement.where(*equal_to(OncallSchedule, query, "name"))
    return pages.page(unit, statement, KEYS, query)


def members_of(schedules: Iterable[OncallSchedule]) -> list[str]:
    """Ids of the members of all layers, each once, in order."""
    ids = (key for row in schedules for layer in row.layers for key in layer["members"])
    return list(dict.fromkeys(ids))


def members_ever_of(schedules: Iterable[OncallSchedule]) -> set[str]:
    """Ids of the members of all layers, those of former terms included."""
    rows = list(schedules)
    former = (layer for row in rows for term in row.former for layer in term["layers"])
    return {*members_of(rows), *(key for layer in former for key in layer["members"])}


def shown(row: OncallSchedule, people: People) -> ScheduleOut:
    """A schedule for clients."""
    users = [
        {"id": key, "name": people.name(key), "left_at": people.left.get(key)}
        for key in members_of([row])
    ]
    return ScheduleOut.of_row(row, users=users)


def save(unit: Unit, body: SaveSchedule, seen: int | None) -> tuple[OncallSchedule, bool]:
    """Create a schedule, or replace the version that the client saw. True if it is new.

    seen  the version of If-Match, which has precedence over that of the body
    """
    check_zone(body.timezone)
    layers_of(body.layers)
    if body.id is None:
        check_limit(unit, "max_schedules", OncallSchedule)
        row, before = unit.new(OncallSchedule, "sch"), None
    else:
        row = unit.get(OncallSchedule, body.id, "schedule", lock=True)
        unit.expect(row, body.version if seen is None else seen)
        before = snapshot(row)
    check_members(unit, body.layers, members_of([row]) if before else ())
    layers = [layer.model_dump(mode="json") for layer in body.layers]
    if before is None:
        row.former = []
    elif (row.layers, row.timezone) != (layers, body.timezone):
        row.former = _with_former(unit, row)
    row.name, row.description = body.name, body.description
    row.timezone, row.layers = body.timezone, layers
    unit.session.add(row)
    unit.session.flush()
    unit.record(row, "schedule.create" if before is None else "schedule.update", before, snapshot)
    return row, before is None


def remove(unit: Unit, schedule_id: str) -> None:
    """Delete a schedule with its overrides."""
    row = unit.get(OncallSchedule, schedule_id, "schedule", lock=True)
    unit.record(row, "schedule.delete", snapshot(row))
    own = OncallOverride.schedule_id == row.id
    unit.session.execute(delete(OncallOverride).where(own))
    unit.session.delete(row)


def rotate_feed(unit: Unit, schedule_id: str, caller: Principal) -> tuple[OncallSchedule, str]:
    """Replace the secret of the feed and return it. The previous one is invalid at once."""
    row = unit.get(OncallSchedule, schedule_id, "schedule", lock=True)
    before, secret = snapshot(row), new_secret("ical")
    row.ical_digest, row.ical_created_at = digest_of(secret), unit.now()
    row.ical_created_by = caller.user_id
    unit.record(row, "schedule.rotate_ical_secret", before, snapshot)
    return row, secret


def revoke_feed(unit: Unit, schedule_id: str) -> None:
    """Invalidate the secret of the feed. 404 if there is none."""
    row = unit.get(OncallSchedule, schedule_id, "schedule", lock=True)
    if row.ical_digest is None:
        raise not_found("ical_secret", schedule_id, unit.tenant_name)
    before = snapshot(row)
    row.ical_digest = row.ical_created_at = row.ical_created_by = None
    unit.record(row, "schedule.revoke_ical_secret", before, snapshot)


def find_overrides(unit: Unit, pages: Pager, query: OverrideQuery) -> Page[OncallOverride]:
    """A page of overrides, oldest first."""
    statement = select(OncallOverride)
    if query.schedule is not None:
        statement = statement.where(OncallOverride.schedule_id == query.schedule)
    if query.user is not None:
        statement = statement.where(OncallOverride.user_id == query.user)
    if query.from_ is not None:
        statement = statement.where(OncallOverride.ends_at > query.from_)
    if query.to is not None:
        statement = statement.where(OncallOverride.starts_at < query.to)
    return pages.page(unit, statement, OVERRIDE_KEYS, query)


def add_override(unit: Unit, body: MakeOverride, caller: Principal) -> OncallOverride:
    """Create an override. It may lie in the past, to record who was on call."""
    checked_time(body.start, "/start")
    if checked_time(body.end, "/end") <= body.start:
        raise invalid("/end", "is not after the start")
    # The lock orders the overrides of a schedule: of those that overlap, the later one counts.
    schedule = unit.find(OncallSchedule, body.schedule_id, lock=True)
    if schedule is None:
        raise impossible("/schedule_id", f"no schedule {body.schedule_id}", "unknown_schedule")
    _check_users(unit, {"/user_id": body.user_id})
    # An override of the past counts, too, since nothing else would bound their number.
    of_past = OncallOverride.ends_at <= OncallOverride.created_at
    counts = of_past | (OncallOverride.ends_at > unit.now())
    check_limit(unit, "max_overrides", OncallOverride, counts)
    row = unit.new(
        OncallOverride,
        "ovr",
        schedule_id=schedule.id,
        user_id=body.user_id,
        starts_at=body.start,
        ends_at=body.end,
        reason=body.reason,
        created_by=caller.user_id,
    )
    row.created_at = row.updated_at = _after_others(unit, schedule.id)
    unit.session.add(row)
    unit.session.flush()
    unit.record(row, "override.create", None, partial(override_snapshot, unit))
    return row


def _after_others(unit: Unit, schedule_id: str) -> datetime:
    """Now, or a time after the creation of all other overrides of a schedule if the clock was set
    back since then: their order is that of their creation."""
    last = func.max(OncallOverride.created_at)
    newest: datetime | None = unit.session.execute(
        select(last).where(OncallOverride.schedule_id == schedule_id)
    ).scalar_one()
    return unit.now() if newest is None else max(unit.now(), newest + _TICK)


def end_override(unit: Unit, override_id: str) -> None:
    """Delete an override that has not begun, or end one that is in force. An override that has
    ended is a 404, since it is history."""
    row = unit.get(OncallOverride, override_id, "override", lock=True)
    if row.ends_at <= unit.now():
        raise not_found("override", override_id, unit.tenant_name)
    show = partial(override_snapshot, unit)
    before = show(row)
    if row.starts_at < unit.now():
        row.ends_at = unit.now()
        unit.record(row, "override.delete", before, show)
    else:
        unit.record(row, "override.delete", before)
        unit.session.delete(row)


def shown_override(row: OncallOverride, people: People) -> OverrideOut:
    """An override for clients."""
    user = {"id": row.user_id, "name": people.name(row.user_id)}
    return OverrideOut.of_row(row, user=user, start=row.starts_at, end=row.ends_at)


def snapshot(row: OncallSchedule) -> dict[str, Any]:
    """A schedule for the audit log. The digest shows a change of the secret, not the secret."""
    content = ScheduleOut.of_row(row, users=[]).model_dump(mode="json", exclude={"users"})
    return {**content, "ical_secret": row.ical_digest}


def override_snapshot(unit: Unit, row: OncallOverride) -> dict[str, Any]:
    """An override for the audit log."""
    return shown_override(row, people_of(unit, [row.user_id])).model_dump(mode="json")


def _with_former(unit: Unit, row: OncallSchedule) -> list[Any]:
    """The former terms of a schedule, with the one that ends now."""
    at = unit.now()
    former, now = ended_by(row.former, at), to_ms(at)
    ending = {"timezone": row.timezone, "layers": row.layers, "until": now}
    oldest = now - FORMER_RETAINED // timedelta(milliseconds=1)
    if former and former[-1]["until"] == now:
        return former  # the term began in this millisecond, so it was never in force
    terms = [*(one for one in former if oldest < one["until"]), ending][-MOST_FORMER:]
    while len(terms) > 1 and len(orjson.dumps(terms)) > MOST_FORMER_BYTES:
        terms.pop(0)
    return terms


def check_members(unit: Unit, layers: Sequence[LayerBody], known: Collection[str] = ()) -> None:
    """Raise `Impossible` for a member who does not exist or is deactivated.

    known  members to accept: those of the schedule before the change
    """
    places = {
        f"/layers/{layer}/members/{place}": key
        for layer, one in enumerate(layers)
        for place, key in enumerate(one.members)
        if key not in known
    }
    _check_users(unit, places)


def _check_users(unit: Unit, places: Mapping[str, str]) -> None:
    wanted = set(places.values())
    statement = select(User.id).where(User.id.in_(wanted), User.status != DEACTIVATED)
    active = set(unit.session.execute(statement).scalars()) if wanted else set()
    for pointer, key in places.items():
        if key not in active:
            raise impossible(pointer, f"no user who can act has the id {key}", "unknown_user")
