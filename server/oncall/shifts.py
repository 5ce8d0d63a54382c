"""The final schedules of rows: the users on call at a time, and the shifts of a range."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from novaql.fast_dataclass import dataclass
from novaql.server.clock import from_ms
from novaql.server.db.unit import Unit
from novaql.server.errors import Impossible, invalid
from novaql.server.oncall.model import (
    FAR,
    MOST_STEPS,
    NEAR,
    Budget,
    Override,
    Schedule,
    Source,
    Span,
)
from novaql.server.oncall.people import People, Person, people_of
from novaql.server.oncall.reading import checked_time, ended_by, terms_of
from novaql.server.oncall.service import members_ever_of
from novaql.server.oncall.tables import OncallOverride, OncallSchedule

LONGEST, USUAL = timedelta(days=400), timedelta(days=30)
_PARTS_AT_ONCE = 1_000
"""Layers and restrictions of schedules that are loaded at once."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """Schedules with what their final schedules are computed from."""

    schedules: Mapping[str, Schedule]
    people: People


@dataclass(frozen=True, slots=True)
class OnCall:
    """The user on call for a schedule at a time, or a gap.

    user          None: a gap, for the reason `gap`
    starts, ends  of the whole shift; None: too far away, or never
    absent        users who would be on call, but have left
    """

    schedule_id: str
    schedule_name: str
    user: Person | None
    starts: datetime | None
    ends: datetime | None
    source: Source | None
    layer: int | None
    override_id: str | None
    gap: str | None
    absent: tuple[tuple[str, str], ...]


def on_call(unit: Unit, schedule_id: str, at: datetime) -> OnCall | None:
    """Return the user on call for a schedule at a time. None: there is no such schedule."""
    row = unit.find(OncallSchedule, schedule_id)
    return None if row is None else all_on_call(unit, [row], at)[0]


def all_on_call(
    unit: Unit, rows: Sequence[OncallSchedule], at: datetime, budget: Budget | None = None
) -> list[OnCall]:
    """Return the users on call at a time, one for each schedule, in their order. If a budget is
    spent, the later schedules are missing; the first one never is."""
    checked_time(at, "/at")
    found: list[OnCall] = []
    for some in _batches(rows):
        if found and budget is not None and budget.spent:
            break
        found += _on_call_of(unit, some, at, budget)
    return found


def _on_call_of(
    unit: Unit, rows: Sequence[OncallSchedule], at: datetime, budget: Budget | None
) -> list[OnCall]:
    found: dict[str, OnCall] = {}
    within = list(rows)
    for distances in (NEAR, FAR):
        left = [row for row in within if row.id not in found]
        if not left:
            break
        loaded = load(unit, left, at - distances[-1], at + distances[-1])
        for row in left:
            if budget is not None and budget.spent and row is not within[0]:
                within = within[: within.index(row)]
                break
            span, begins, ends = loaded.schedules[row.id].at(at, distances, budget)
            if (begins and ends) or distances is FAR:
                found[row.id] = _on_call(row, span, begins, ends, loaded.people)
    return [found[row.id] for row in within]


def _batches(rows: Iterable[OncallSchedule]) -> Iterator[list[OncallSchedule]]:
    """The rows in groups of which each can be loaded at once."""
    some: list[OncallSchedule] = []
    parts = 0
    for row in rows:
        layers = [*row.layers, *(layer for term in row.former for layer in term["layers"])]
        parts += sum(1 + len(layer["restrictions"]) for layer in layers)
        some.append(row)
        if parts >= _PARTS_AT_ONCE:
            yield some
            some, parts = [], 0
    if some:
        yield some


def load(unit: Unit, rows: Iterable[OncallSchedule], start: datetime, end: datetime) -> Loaded:
    """Load overrides and users of schedules for a range."""
    some = list(rows)
    overrides: dict[str, list[Override]] = {row.id: [] for row in some}
    statement = (
        select(OncallOverride)
        .where(
            OncallOverride.schedule_id.in_(overrides),
            OncallOverride.ends_at > start,
            OncallOverride.starts_at < end,
        )
        .order_by(OncallOverride.created_at, OncallOverride.id)
    )
    for found in unit.session.execute(statement).scalars():
        one = Override(found.id, found.user_id, found.starts_at, found.ends_at)
        overrides[found.schedule_id].append(one)
    users = {one.user_id for several in overrides.values() for one in several}
    people = people_of(unit, {*members_ever_of(some), *users})
    schedules = {}
    for row in some:
        former = [one for one in ended_by(row.former, unit.now()) if from_ms(one["until"]) > start]
        terms = terms_of(row.layers, row.timezone, former)
        schedules[row.id] = Schedule(terms, tuple(overrides[row.id]), people.left)
    return Loaded(schedules, people)


def checked_range(
    unit: Unit, start: datetime | None, end: datetime | None
) -> tuple[datetime, datetime]:
    """Return the range of a preview. Raises `InvalidRequest` for one that is empty or too long."""
    begins = checked_time(unit.now() if start is None else start, "/from")
    ends = checked_time(begins + USUAL if end is None else end, "/to")
    if not begins < ends <= begins + LONGEST:
        raise invalid("/to", "must be after `from`, at most 400 days")
    return begins, ends


def shifts_of(schedule: Schedule, start: datetime, end: datetime) -> list[Span]:
    """Return the final schedule of a range. Raises `Impossible` for one that is too much work."""
    if schedule.steps(start, end) > MOST_STEPS:
        raise Impossible(
            f"the range has more than {MOST_STEPS} shifts; request a shorter one",
            code="too_many_shifts",
        )
    return schedule.final(start, end)


def span_fields(span: Span, people: People) -> dict[str, Any]:
    """The fields that every span has for clients."""
    return {
        "source": span.source,
        "layer": span.layer,
        "override_id": span.override_id,
        "gap": span.gap,
        "absent": [{"id": key, "name": people.name(key)} for key in span.absent],
    }


def _on_call(row: OncallSchedule, span: Span, begins: bool, ends: bool, people: People) -> OnCall:
    return OnCall(
        schedule_id=row.id,
        schedule_name=row.name,
        user=None if span.user_id is None else people.by_id[span.user_id],
        starts=span.start if begins else None,
        ends=span.end if ends else None,
        source=span.source,
        layer=span.layer,
        override_id=span.override_id,
        gap=span.gap,
        absent=tuple((key, people.name(key)) for key in span.absent),
    )
