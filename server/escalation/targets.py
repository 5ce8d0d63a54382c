"""Resolves the targets of a step to users and channels, at the time of the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from novaql.fast_dataclass import dataclass
from novaql.server.auth.user_access import DEACTIVATED
from novaql.server.db.tables import User
from novaql.server.db.unit import Unit
from novaql.server.incidents.model import EntryType
from novaql.server.notifications.tables import Channel
from novaql.server.oncall.shifts import on_call


@dataclass(frozen=True, slots=True)
class Reachable:
    """A user or channel to page. `schedule_id`: the schedule by which the user was found."""

    type: str
    id: str
    name: str
    schedule_id: str | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a target reaches no receiver, as a timeline entry."""

    type: EntryType
    data: dict[str, Any]


def resolve(unit: Unit, target: Mapping[str, str]) -> Reachable | Problem:
    """Find the user or channel of a target now. A schedule is resolved to its user on call."""
    match target["type"]:
        case "user":
            return _user(unit, target)
        case "schedule":
            return _schedule(unit, target)
    channel = unit.find(Channel, target["id"])
    if channel is None:
        return _skipped(target, "channel_deleted")
    return Reachable("channel", channel.id, channel.name)


def _user(unit: Unit, target: Mapping[str, str]) -> Reachable | Problem:
    user = unit.find(User, target["id"])
    if user is None or user.status == DEACTIVATED:
        return _skipped(target, "user_deactivated", None if user is None else user.name)
    return Reachable("user", user.id, user.name or user.email)


def _schedule(unit: Unit, target: Mapping[str, str]) -> Reachable | Problem:
    found = on_call(unit, target["id"], unit.now())
    if found is None:
        return _skipped(target, "schedule_deleted")
    if found.user is None:
        data = {
            "schedule": {"id": found.schedule_id, "name": found.schedule_name},
            "gap": found.gap,
            "absent": [{"id": key, "name": name} for key, name in found.absent],
            "message": "no user is on call",
        }
        return Problem(EntryType.SCHEDULE_GAP, data)
    return Reachable("user", found.user.id, found.user.name, found.schedule_id)


def _skipped(target: Mapping[str, str], reason: str, name: str | None = None) -> Problem:
    shown = {"type": target["type"], "id": target["id"], "name": name}
    return Problem(EntryType.PAGE_SKIPPED, {"target": shown, "reason": reason})
