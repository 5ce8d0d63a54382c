"""States of runs and pages, modes of steps, and what counts as an acknowledgement."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Any


class RunState(StrEnum):
    """EXHAUSTED: all repeats are over, and the incident is open. ENDED: it is resolved."""

    RUNNING = "running"
    ACKNOWLEDGED = "acknowledged"
    EXHAUSTED = "exhausted"
    ENDED = "ended"


class Mode(StrEnum):
    """Which targets a step pages: all, or the next one each time. After MULTI_ACK, which pages all,
    the incident counts as acknowledged only when several have acknowledged it."""

    ALL = "all"
    ROUND_ROBIN = "round_robin"
    MULTI_ACK = "multi_ack"


class PageStatus(StrEnum):
    """CANCELLED: the incident was acknowledged or resolved before the page was sent."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"
    CANCELLED = "cancelled"


def is_answered(
    status: str, acknowledgers: Collection[str], required: Collection[str], needed: int
) -> bool:
    """Whether an incident in this status counts as acknowledged.

    required  users paged by the last step that requires several acknowledgers; empty: any user
    needed    the number of them that have to acknowledge
    """
    if status != "acknowledged":
        return False
    return not required or len(set(acknowledgers) & set(required)) >= needed


def needed_of(step: Mapping[str, Any], paged: Collection[str]) -> int:
    """The number of acknowledgers that a step of the mode MULTI_ACK requires, of these users."""
    wanted: int | None = step.get("acknowledgers")
    return len(paged) if wanted is None else min(wanted, len(paged))


def turns_from(turn: int, count: int) -> list[int]:
    """Indexes of targets, in the order in which a round robin tries them."""
    return [(turn + offset) % count for offset in range(count)]
