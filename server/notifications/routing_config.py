"""The routing tree, inhibition rules and time intervals as a document, and its compiled plan.

The fields have the meaning of Alertmanager's configuration. `channels` replace `receiver`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from datetime import timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import orjson
from pydantic import Field

from novaql.fast_dataclass import dataclass
from novaql.server.alert_model.matcher_text import parse_matchers
from novaql.server.errors import InvalidRequest, invalid
from novaql.server.http.shapes import Body, Duration
from novaql.server.notifications.inhibition import InhibitRule
from novaql.server.notifications.routing import Route
from novaql.server.notifications.time_intervals import (
    InvalidInterval,
    Span,
    TimeInterval,
    checked_interval,
)
from novaql.text import is_portable_zone
from novaql.tsdb.runtime.lru_cache import ByteCache

_BYTES_PER_CHARACTER = 20
"""About the size of a plan of many short routes, for each character of its document."""
_DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july", "august"),
    *("september", "october", "november", "december"),
)
DEEPEST = 20

MatcherTexts = Annotated[list[Annotated[str, Field(max_length=2000)]], Field(max_length=50)]
Names = Annotated[list[Annotated[str, Field(min_length=1, max_length=200)]], Field(max_length=100)]


class RouteBody(Body):
    """A node of the tree. It inherits omitted fields from its parent, except time intervals."""

    channels: Names | None = Field(None, description="names of notification channels")
    matchers: MatcherTexts = Field(
        default_factory=list, description='all must match, each like `severity="page"`'
    )
    group_by: Names | None = Field(None, description='label names; `["..."]` groups by all')
    group_wait: Duration | None = Field(None, description="default 30s")
    group_interval: Duration | None = Field(None, description="default 5m")
    repeat_interval: Duration | None = Field(None, description="default 4h")
    continue_: bool = Field(False, alias="continue", description="go on with the next sibling")
    mute_time_intervals: Names = Field(default_factory=list)
    active_time_intervals: Names = Field(default_factory=list)
    routes: list[RouteBody] = Field(default_factory=list, max_length=200)


class InhibitBody(Body):
    """While a source fires, targets with equal labels are muted."""

    source_matchers: MatcherTexts
    target_matchers: MatcherTexts
    equal: Names = Field(default_factory=list)


ClockTime = Annotated[
    str,
    Field(
        max_length=5,
        pattern="^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$",
        examples=["09:00"],
    ),
]


class ClockBody(Body):
    """From `start_time` to before `end_time`: 09:00 to 17:00, for example. A day ends at 24:00."""

    start_time: ClockTime
    end_time: ClockTime


class TimesBody(Body):
    """A time must be in one range of each given field. A range is `monday:friday` or `1:5`."""

    times: Annotated[list[ClockBody], Field(max_length=50)] = Field(default_factory=list)
    weekdays: Names = Field(default_factory=list)
    days_of_month: Names = Field(default_factory=list)
    months: Names = Field(default_factory=list)
    years: Names = Field(default_factory=list)
    location: Annotated[str, Field(min_length=1, max_length=64)] = "UTC"


class NamedTimesBody(Body):
    """A named time interval."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    time_intervals: Annotated[list[TimesBody], Field(max_length=50)]


class RoutingBody(Body):
    """The routing tree, inhibition rules and time intervals."""

    route: RouteBody
    inhibit_rules: Annotated[list[InhibitBody], Field(max_length=200)] = Field(default_factory=list)
    time_intervals: Annotated[list[NamedTimesBody], Field(max_length=200)] = Field(
        default_factory=list
    )


@dataclass(frozen=True, slots=True)
class RoutingPlan:
    """The compiled document."""

    root: Route = field(default_factory=Route)
    inhibit: tuple[InhibitRule, ...] = ()
    times: Mapping[str, tuple[TimeInterval, ...]] = field(default_factory=dict)

    def intervals(self, names: Sequence[str]) -> list[TimeInterval]:
        """The intervals with these names."""
        return [one for name in names for one in self.times.get(name, ())]


_PLANS: ByteCache[tuple[RoutingPlan, int]] = ByteCache(
    64 << 20, lambda entry: 1000 + _BYTES_PER_CHARACTER * entry[1]
)


def plan_of(config: Mapping[str, Any] | None) -> RoutingPlan:
    """Compile a stored document, which was checked when it was saved. None has no channels."""
    if config is None:
        return RoutingPlan()
    document = orjson.dumps(config)
    entry = _PLANS.get(document)
    if entry is None:
        entry = compile_plan(RoutingBody.model_validate(orjson.loads(document))), len(document)
        _PLANS.put(document, entry)
    return entry[0]


def compile_plan(body: RoutingBody) -> RoutingPlan:
    """Compile a document. Raises `InvalidRequest` with the pointer of the field."""
    times: dict[str, tuple[TimeInterval, ...]] = {}
    for number, named in enumerate(body.time_intervals):
        pointer = f"/time_intervals/{number}"
        if named.name in times:
            raise invalid(f"{pointer}/name", f"{named.name!r} is there already")
        times[named.name] = tuple(
            _interval(one, f"{pointer}/time_intervals/{n}")
            for n, one in enumerate(named.time_intervals)
        )
    if body.route.matchers:
        raise invalid("/route/matchers", "the root matches everything and takes no matchers")
    for kind in ("mute_time_intervals", "active_time_intervals"):
        if getattr(body.route, kind):
            raise invalid(f"/route/{kind}", "the root has no time intervals")
    inhibit = tuple(
        InhibitRule(
            parse_matchers(rule.source_matchers, f"/inhibit_rules/{n}/source_matchers"),
            parse_matchers(rule.target_matchers, f"/inhibit_rules/{n}/target_matchers"),
            tuple(rule.equal),
        )
        for n, rule in enumerate(body.inhibit_rules)
    )
    return RoutingPlan(_route(body.route, "/route", times, 0), inhibit, times)


def check_zones(body: RoutingBody) -> None:
    """Raise `InvalidRequest` for a time zone that is not the same on each machine. A document that
    an earlier version stored may have one."""
    for number, named in enumerate(body.time_intervals):
        for n, one in enumerate(named.time_intervals):
            if not is_portable_zone(one.location):
                pointer = f"/time_intervals/{number}/time_intervals/{n}/location"
                raise _no_zone(pointer, one.location)


def channels_in(route: Route) -> Iterator[str]:
    """The names of all channels in a tree."""
    yield from route.channels or ()
    for below in route.routes:
        yield from channels_in(below)


def _route(body: RouteBody, pointer: str, times: Mapping[str, Any], depth: int) -> Route:
    if depth > DEEPEST:
        raise invalid(pointer, f"the tree has at most {DEEPEST} levels")
    for kind in ("mute_time_intervals", "active_time_intervals"):
        for name in getattr(body, kind):
            if name not in times:
                raise invalid(f"{pointer}/{kind}", f"there is no time interval {name!r}")
    for kind in ("group_interval", "repeat_interval"):
        if getattr(body, kind) == timedelta(0):
            raise invalid(f"{pointer}/{kind}", "must be longer than nothing")
    return Route(
        matchers=parse_matchers(body.matchers, f"{pointer}/matchers"),
        channels=None if body.channels is None else tuple(body.channels),
        group_by=None if body.group_by is None else tuple(body.group_by),
        group_wait=body.group_wait,
        group_interval=body.group_interval,
        repeat_interval=body.repeat_interval,
        follow_on=body.continue_,
        mute_times=tuple(body.mute_time_intervals),
        active_times=tuple(body.active_time_intervals),
        routes=tuple(
            _route(below, f"{pointer}/routes/{n}", times, depth + 1)
            for n, below in enumerate(body.routes)
        ),
    )


def _interval(body: TimesBody, pointer: str) -> TimeInterval:
    try:
        zone = ZoneInfo(body.location)
    except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        raise _no_zone(f"{pointer}/location", body.location) from None
    try:
        return checked_interval(
            TimeInterval(
                zone,
                _times(body.times, f"{pointer}/times"),
                _spans(body.weekdays, f"{pointer}/weekdays", _DAYS, 0),
                _spans(body.days_of_month, f"{pointer}/days_of_month"),
                _spans(body.months, f"{pointer}/months", _MONTHS, 1),
                _spans(body.years, f"{pointer}/years"),
            )
        )
    except InvalidInterval as problem:
        raise invalid(pointer, str(problem)) from None


def _no_zone(pointer: str, name: str) -> InvalidRequest:
    return invalid(pointer, f"there is no time zone {name!r}; names are like Europe/Berlin")


def _times(bodies: Sequence[ClockBody], pointer: str) -> tuple[Span, ...]:
    for number, body in enumerate(bodies):
        if _minutes(body.start_time) >= _minutes(body.end_time):
            message = f"{body.end_time} is not after {body.start_time}; split a range at midnight"
            raise invalid(f"{pointer}/{number}/end_time", message)
    return tuple(Span(_minutes(t.start_time), _minutes(t.end_time) - 1) for t in bodies)


def _minutes(text: str) -> int:
    hours, _, minutes = text.partition(":")
    return int(hours) * 60 + int(minutes)


def _spans(
    texts: Sequence[str], pointer: str, names: Sequence[str] = (), base: int = 0
) -> tuple[Span, ...]:
    found = []
    for number, text in enumerate(texts):
        first, _, last = text.partition(":")
        try:
            found.append(Span(_place(first, names, base), _place(last or first, names, base)))
        except InvalidInterval as problem:
            raise invalid(f"{pointer}/{number}", str(problem)) from None
    return tuple(found)


def _place(text: str, names: Sequence[str], base: int) -> int:
    word = text.strip().lower()
    if word in names:
        return names.index(word) + base
    if re.fullmatch(r"-?[0-9]{1,4}", word):
        return int(word)
    raise InvalidInterval(f"{text!r} is not known")
