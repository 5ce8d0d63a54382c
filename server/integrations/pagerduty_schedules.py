"""PagerDuty's schedules as schedules of this server: pure functions.

A layer of PagerDuty has a turn length in seconds and a virtual start, at which the turn of its
first user begins. Here that is the start of the layer, and its wall-clock time is the hand-off. So
times before the real start of the layer show shifts that PagerDuty did not have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from novaql.fast_dataclass import dataclass
from novaql.server.clock import parse_time, rfc3339
from novaql.server.oncall.rotation import WEEKDAYS
from novaql.server.oncall.wall_clock import UnknownZone, wall_of, zone_of

_DAY, _WEEK = 86_400, 7 * 86_400
_SHORTEST = 3_600


class NotExpressible(Exception):
    """A part of a schedule that schedules of this server cannot have."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A schedule that this server could create.

    layers   bodies of layers, the last has precedence; members are ids of PagerDuty's users
    people   id of a PagerDuty user → name
    notes    what is left out;  problems: why it cannot be created
    """

    name: str
    description: str
    timezone: str
    layers: Sequence[Mapping[str, Any]]
    people: Mapping[str, str]
    notes: Sequence[str]
    problems: Sequence[str]


def planned(schedule: Mapping[str, Any], now: datetime) -> Plan:
    """Convert a schedule. PagerDuty lists the layer with the highest precedence first."""
    name, timezone = str(schedule["name"]), str(schedule["time_zone"])
    layers: list[dict[str, Any]] = []
    people: dict[str, str] = {}
    notes: list[str] = []
    problems: list[str] = []
    try:
        zone = zone_of(timezone)
    except UnknownZone as problem:
        problems.append(str(problem))
        zone = ZoneInfo("UTC")
    for layer in reversed(schedule.get("schedule_layers") or []):
        called = str(layer.get("name") or layer["id"])
        if layer.get("end") is not None and parse_time(layer["end"]) <= now:
            notes.append(f"layer {called}: it has ended")
            continue
        try:
            layers.append(_layer(layer, called, zone, now))
        except NotExpressible as problem:
            problems.append(f"layer {called}: {problem}")
        people |= dict(_users(layer))
    if not layers and not problems:
        problems.append("it has no layers")
    overrides = (schedule.get("overrides_subschedule") or {}).get("rendered_schedule_entries")
    if overrides:
        notes.append("overrides are not imported")
    description = str(schedule.get("description") or "")
    return Plan(name[:200], description[:2000], timezone, layers, people, notes, problems)


def _layer(layer: Mapping[str, Any], name: str, zone: ZoneInfo, now: datetime) -> dict[str, Any]:
    start, virtual = parse_time(layer["start"]), parse_time(layer["rotation_virtual_start"])
    if start > now and start != virtual:
        raise NotExpressible("it begins in the future, in the middle of a turn")
    members = [user for user, _ in _users(layer)]
    if not members:
        raise NotExpressible("it has no users")
    return {
        "name": name[:200],
        "start": rfc3339(virtual),
        "end": None if layer.get("end") is None else rfc3339(parse_time(layer["end"])),
        "rotation": _rotation(int(layer["rotation_turn_length_seconds"]), wall_of(virtual, zone)),
        "members": members,
        "restrictions": _restrictions(layer.get("restrictions") or []),
    }


def _users(layer: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The ids and names of a layer's users, in the order of their turns."""
    users = [one["user"] for one in layer.get("users") or []]
    return [(str(user["id"]), str(user.get("summary") or user["id"])[:100]) for user in users]


def _rotation(seconds: int, first: datetime) -> dict[str, Any]:
    at = first.strftime("%H:%M:%S")
    if seconds >= _WEEK and seconds % _WEEK == 0:
        hand_off = f"{WEEKDAYS[first.weekday()]} {at}"
        return {"type": "weekly", "hand_off": hand_off, "length": seconds // _WEEK}
    if seconds >= _DAY and seconds % _DAY == 0:
        return {"type": "daily", "hand_off": at, "length": seconds // _DAY}
    if seconds < _SHORTEST:
        raise NotExpressible("its turns are shorter than an hour")
    return {"type": "custom", "hand_off": at, "length": f"{seconds}s"}


def _restrictions(found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """When the layer is on call. Empty: always."""
    out = []
    for one in found:
        seconds, begin = int(one["duration_seconds"]), _time(str(one["start_time_of_day"]))
        kind = one["type"]
        if kind == "daily_restriction":
            if seconds >= _DAY:
                return []
            out.append({"start": _clock(begin), "end": _clock(begin + timedelta(seconds=seconds))})
        elif kind == "weekly_restriction":
            if seconds >= _WEEK:
                return []
            begin += timedelta(days=int(one["start_day_of_week"]) - 1)
            end = begin + timedelta(seconds=seconds)
            out.append({"start": _day_and_clock(begin), "end": _day_and_clock(end)})
        else:
            raise NotExpressible(f"a restriction of the type {str(kind)[:50]}")
    return out


def _time(text: str) -> timedelta:
    hours, minutes, seconds = (int(part) for part in text.split(":"))
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


def _clock(since_midnight: timedelta) -> str:
    minutes, seconds = divmod(since_midnight.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}"


def _day_and_clock(since_monday: timedelta) -> str:
    return f"{WEEKDAYS[since_monday.days % 7]} {_clock(since_monday)}"
