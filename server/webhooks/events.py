"""What can be subscribed to: names of events, and patterns of them."""

from __future__ import annotations

from collections.abc import Iterable

EVENTS = (
    "incident.created",
    "incident.acknowledged",
    "incident.resolved",
    "incident.comment",
    "alert.pending",
    "alert.firing",
    "alert.resolved",
    "alert.silenced",
    "alert.unsilenced",
    "agent.action.queued",
    "agent.action.approved",
    "agent.action.rejected",
    "agent.action.executed",
    "audit.entry",
    "synthetic.failed",
    "synthetic.recovered",
    "slo.burning",
    "slo.recovered",
    "webhook.test",
)


class UnknownEvent(ValueError):
    """A filter that no event will ever match."""


def checked_filters(filters: Iterable[str]) -> tuple[str, ...]:
    """Filters sorted and each once: "*", "incident.*" or a whole name. Raises `UnknownEvent`."""
    found = sorted(set(filters))
    if not found:
        raise UnknownEvent("subscribe to at least one event, or to *")
    for pattern in found:
        if not any(matches(pattern, event) for event in EVENTS):
            raise UnknownEvent(f"{pattern!r} is no event; there are {', '.join(EVENTS)}")
    return tuple(found)


def matches(pattern: str, event: str) -> bool:
    """Whether a filter takes an event: all, all below a name, or one."""
    if pattern == "*":
        return True
    if pattern.endswith(".*"):
        return event.startswith(pattern[:-1])
    return pattern == event


def wanted(filters: Iterable[str], event: str) -> bool:
    """Whether any filter takes the event. Tests are sent to everybody who asks for one."""
    return any(matches(pattern, event) for pattern in filters)
