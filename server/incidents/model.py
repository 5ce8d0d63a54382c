"""The states of an incident, the types of its timeline entries, and the severities of alerts."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

MOST_ALERTS = 100
"""The most alerts of an incident that answers and events name, from the first one."""


class Status(StrEnum):
    """An incident that is not resolved is open."""

    TRIGGERED = "triggered"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class EntryType(StrEnum):
    """The type of a timeline entry.

    ACKNOWLEDGED is the change of the state. An acknowledgement by a further user is
    ACKNOWLEDGER_ADDED. ACK_EXPIRED is the change back to triggered.
    """

    TRIGGERED = "triggered"
    ACKNOWLEDGED = "acknowledged"
    ACKNOWLEDGER_ADDED = "acknowledger_added"
    RESOLVED = "resolved"
    COMMENT = "comment"
    ALERTS_ENDED = "alerts_ended"
    RUNBOOK = "runbook"
    PAGED = "paged"
    SCHEDULE_GAP = "schedule_gap"
    PAGE_SKIPPED = "page_skipped"
    NOT_ESCALATED = "not_escalated"
    ACK_EXPIRED = "ack_expired"
    ESCALATION_EXHAUSTED = "escalation_exhausted"


_WORDS = {
    "sev1": ("sev1", "p1", "critical", "page", "emergency", "disaster"),
    "sev2": ("sev2", "p2", "error", "high", "major"),
    "sev3": ("sev3", "p3", "warning", "warn", "ticket", "medium"),
    "sev4": ("sev4", "p4", "low", "minor", "notice"),
    "sev5": ("sev5", "p5", "info", "debug", "none"),
}
_BY_WORD = {word: severity for severity, words in _WORDS.items() for word in words}
UNKNOWN = "sev3"
"""The severity of alerts without a severity, or with an unknown one."""


def severity_of(labels: Iterable[str]) -> str:
    """The worst incident severity of the severities of alerts, case-insensitive."""
    found = (_BY_WORD.get(label.strip().lower(), UNKNOWN) for label in labels)
    return min(found, default=UNKNOWN)
