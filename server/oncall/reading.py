"""Layers of a request or of a row, as the model has them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from novaql.server.clock import from_ms, to_ms
from novaql.server.errors import inside, invalid
from novaql.server.oncall.model import BEGINNING, Layer, Term
from novaql.server.oncall.restrictions import Restriction
from novaql.server.oncall.rotation import WEEKDAYS, Rotation, day_and_time, weekday_of
from novaql.server.oncall.schema import LayerBody, RestrictionBody, RotationBody
from novaql.server.oncall.wall_clock import UnknownZone, zone_of

FIRST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
"""The times of which schedules are computed."""

_DAY = timedelta(days=1)
_MOST = {"daily": 366, "weekly": 104, "monthly": 24}
_SHORTEST, _LONGEST = timedelta(hours=1), timedelta(days=366)


def checked_time(at: datetime, pointer: str) -> datetime:
    """Return a time. Raises `InvalidRequest` unless it is between 1970 and 2200."""
    if not FIRST <= at <= LAST:
        raise invalid(pointer, "must be between 1970 and 2200")
    return at


def check_zone(name: str) -> None:
    """Raise `InvalidRequest` unless there is a zone of this name."""
    try:
        zone_of(name)
    except UnknownZone as problem:
        raise invalid("/timezone", str(problem)) from None


def layers_of(bodies: Sequence[LayerBody]) -> tuple[Layer, ...]:
    """Return the layers of a body. Raises `InvalidRequest` with the position of an invalid part."""
    layers = []
    for number, body in enumerate(bodies):
        with inside(f"/layers/{number}"):
            layers.append(_layer(body))
    return tuple(layers)


def ended_by(former: Sequence[Any], now: datetime) -> list[dict[str, Any]]:
    """The former terms of a row. One whose end is in the future ends now: the clock was set back
    since then, and the term that followed is in force."""
    return [{**one, "until": min(one["until"], to_ms(now))} for one in former]


def terms_of(layers: Sequence[Any], timezone: str, former: Sequence[Any]) -> tuple[Term, ...]:
    """Return the terms of a row: former ones, and the one that is in force."""
    terms, since = [], BEGINNING
    for one in former:
        until = from_ms(one["until"])
        terms.append(Term(zone_of(one["timezone"]), _stored(one["layers"]), since, until))
        since = until
    return (*terms, Term(zone_of(timezone), _stored(layers), since))


def _stored(layers: Sequence[Any]) -> tuple[Layer, ...]:
    return layers_of([LayerBody.model_validate(one) for one in layers])


def _layer(body: LayerBody) -> Layer:
    checked_time(body.start, "/start")
    if body.end is not None and checked_time(body.end, "/end") <= body.start:
        raise invalid("/end", "is not after the start")
    with inside("/rotation"):
        rotation = _rotation(body.rotation)
    restrictions = []
    for number, one in enumerate(body.restrictions):
        with inside(f"/restrictions/{number}"):
            restrictions.append(_restriction(one))
    return Layer(body.start, rotation, tuple(body.members), tuple(restrictions), body.end)


def _rotation(body: RotationBody) -> Rotation:
    with _pointing("/hand_off"):
        day_text, at = day_and_time(body.hand_off)
        day = None
        if day_text is not None:
            day = _day(body.type, day_text)
    if body.type == "custom":
        return Rotation("custom", at, None, 1, _custom_length(body.length))
    return Rotation(body.type, at, day, _units(body))


def _day(kind: str, text: str) -> int:
    if kind == "weekly" and not text.isdigit():
        return weekday_of(text)
    if kind == "monthly" and text.isdigit():
        return int(text)
    raise ValueError(f"a {kind} rotation has no day {text!r}")


def _custom_length(given: int | timedelta | None) -> timedelta:
    if given is None:
        raise invalid("/length", "a custom rotation needs a length, such as 12h")
    length = given * _DAY if isinstance(given, int) else given
    if not _SHORTEST <= length <= _LONGEST or length.microseconds:
        raise invalid("/length", "must be whole seconds, from 1h to 366d")
    return length


def _units(body: RotationBody) -> int:
    """The days, weeks or months of a turn. A duration must be a multiple of the unit."""
    most, length = _MOST[body.type], body.length
    if length is None:
        return 1
    if isinstance(length, timedelta):
        unit = _DAY if body.type == "daily" else 7 * _DAY
        if body.type == "monthly" or length % unit or not length:
            raise invalid("/length", f"must be a number, or a multiple of the {body.type} turn")
        length = length // unit
    if length > most:
        raise invalid("/length", f"must be at most {most} for a {body.type} rotation")
    return length


def _restriction(body: RestrictionBody) -> Restriction:
    (first, at), (last, end) = day_and_time(body.start), day_and_time(body.end)
    if (first is None) != (last is None):
        raise invalid("/end", "has a weekday if the start has one, and only then")
    if first is None or last is None:
        days = frozenset(WEEKDAYS.index(day) for day in body.days or WEEKDAYS)
        return Restriction(days, at, end, int(end <= at))
    if body.days is not None:
        raise invalid("/days", "the start has a weekday already")
    begins, ends = weekday_of(first), weekday_of(last)
    over = (ends - begins) % 7
    if over == 0 and end <= at:
        over = 7
    return Restriction(frozenset({begins}), at, end, over)


@contextmanager
def _pointing(pointer: str) -> Iterator[None]:
    try:
        yield
    except ValueError as problem:
        raise invalid(pointer, str(problem)) from None
