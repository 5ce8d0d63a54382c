"""Trust scores, scopes, and the states of actions, as pure functions."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from novaql.fast_dataclass import dataclass
from novaql.ledger import canonical_json

Z = 1.959963984540054
"""The quantile of the normal distribution for a confidence of 95 %."""
VIOLATION_PENALTY, REJECTION_PENALTY = 0.1, 0.05
"""Subtracted from the score for each weighted violation of a guardrail and rejected proposal."""
_DIGITS = 6
EVERY = "*"
"""In a scope: every service. In capabilities, at the end: every kind with this beginning."""


class Status(StrEnum):
    """The state of an action."""

    QUEUED = "queued"
    APPROVED = "approved"
    RUNNING = "running"
    REJECTED = "rejected"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    EXECUTED = "executed"
    FAILED = "failed"
    ABANDONED = "abandoned"


OPEN = (Status.QUEUED, Status.APPROVED, Status.RUNNING)
"""States of actions that have not ended."""


class Outcome(StrEnum):
    """What changes the trust in an agent."""

    SUCCESS = "successes"
    FAILURE = "failures"
    VIOLATION = "violations"
    REJECTION = "rejections"


@dataclass(frozen=True, slots=True)
class Tally:
    """Weighted numbers of outcomes at a time. The weight of an outcome halves in each half-life.

    at  None: there was no outcome yet
    """

    successes: float = 0.0
    failures: float = 0.0
    violations: float = 0.0
    rejections: float = 0.0
    at: datetime | None = None

    def decayed(self, now: datetime, half_life: timedelta) -> Tally:
        """Return the weights at a later time."""
        if self.at is None:
            return replace(self, at=now)
        age = max(now - self.at, timedelta()) / half_life
        factor = 0.5**age
        weights = {name.value: getattr(self, name.value) * factor for name in Outcome}
        return Tally(**weights, at=max(now, self.at))

    def with_outcome(self, outcome: Outcome, now: datetime, half_life: timedelta) -> Tally:
        """Add an outcome at the current time, with the weight 1."""
        found = self.decayed(now, half_life)
        return replace(found, **{outcome.value: getattr(found, outcome.value) + 1.0})

    def shown(self) -> dict[str, float]:
        """Return the weights as answers show them. The score is computed from these."""
        return {name.value: round(getattr(self, name.value), _DIGITS) for name in Outcome}


def wilson_lower_bound(successes: float, total: float) -> float:
    """Return the lower bound of the 95 % interval of a ratio, by Wilson; 0 without observations."""
    if total <= 0:
        return 0.0
    ratio = min(successes / total, 1.0)
    square = Z * Z
    middle = ratio + square / (2 * total)
    width = Z * math.sqrt((ratio * (1 - ratio) + square / (4 * total)) / total)
    return max(0.0, (middle - width) / (1 + square / total))


def score_of(inputs: Mapping[str, float]) -> float:
    """Return the trust score, 0 to 1, of weighted outcomes. An agent without history has 0."""
    bound = wilson_lower_bound(inputs["successes"], inputs["successes"] + inputs["failures"])
    penalty = VIOLATION_PENALTY * inputs["violations"] + REJECTION_PENALTY * inputs["rejections"]
    return round(min(1.0, max(0.0, bound - penalty)), 4)


def content_hash(
    agent_id: str, kind: str, title: str, services: Iterable[str], content: Any
) -> str:
    """Return the SHA-256 of what an approver sees: agent, kind, title, services and content.

    Raises `ValueError` for content that has no canonical form.
    """
    shown = {
        "agent_id": agent_id,
        "content": content,
        "kind": kind,
        "services": sorted(services),
        "title": title,
    }
    return hashlib.sha256(canonical_json(shown)).hexdigest()


def is_capable(capabilities: Iterable[str], kind: str) -> bool:
    """Whether an agent may propose actions of a kind."""
    return any(
        kind.startswith(one[:-1]) if one.endswith(f".{EVERY}") else kind == one
        for one in capabilities
    )


def outside_scope(scope: Iterable[str], services: Iterable[str]) -> list[str]:
    """Return the services of an action that are not in the scope of the agent."""
    known = set(scope)
    return [] if EVERY in known else sorted(set(services) - known)


def refusal_of_decision(
    status: str, expires_at: datetime, now: datetime, *, voided: bool
) -> tuple[str, str] | None:
    """Return the code and the message with which a decision about an action is rejected; None: it
    can be decided.

    voided  the agent is stopped, or was stopped after the action was queued
    """
    if status == Status.EXPIRED or (status == Status.QUEUED and now >= expires_at):
        return "action_expired", "the action has expired; it has to be proposed again"
    if status != Status.QUEUED:
        return "action_decided", f"the action is {status} already"
    if voided:
        return "agent_stopped", "the agent was stopped; its action has to be proposed again"
    return None
