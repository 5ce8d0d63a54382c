"""States of runs and steps, and guardrails, as pure functions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from novaql import duration_ms
from novaql.ledger import canonical_json
from novaql.server.clock import parse_time


class RunStatus(StrEnum):
    """The state of a run."""

    PENDING_APPROVAL = "pending_approval"
    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    ABANDONED = "abandoned"
    REJECTED = "rejected"
    EXPIRED = "expired"


BEGUN = (RunStatus.RUNNING, RunStatus.WAITING)
ACTIVE = (RunStatus.PENDING_APPROVAL, RunStatus.QUEUED, *BEGUN)
"""States of runs that have not ended."""


class StepStatus(StrEnum):
    """The state of a step of a run. DRY: a dry run has recorded what the step would do."""

    RUNNING = "running"
    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    BLOCKED = "blocked"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    ABANDONED = "abandoned"
    REJECTED = "rejected"
    DRY = "dry_run"


OPEN_STEPS = (StepStatus.RUNNING, StepStatus.WAITING)
GOOD = (StepStatus.SUCCEEDED, StepStatus.DRY)


def may_repeat(step: Mapping[str, Any]) -> bool:
    """Whether an interrupted step can run again. Queries and waits change nothing, and a
    notification is written in the transaction that ends its step."""
    return step["type"] in ("query", "wait", "notify", "approval") or bool(step["idempotent"])


def may_retry(status: str, step: Mapping[str, Any], attempt: int) -> bool:
    """Whether a step that has failed is tried again. `attempt` begins at 1."""
    return status in (StepStatus.FAILED, StepStatus.TIMED_OUT) and attempt <= step["retries"]


def end_after(status: str, step: Mapping[str, Any]) -> RunStatus | None:
    """Return the state in which a run ends after a step; None: it continues. No step follows an
    approval that was not given."""
    match status:
        case StepStatus.SUCCEEDED | StepStatus.DRY:
            return None
        case StepStatus.CANCELLED:
            return RunStatus.CANCELLED
        case StepStatus.ABANDONED:
            return RunStatus.ABANDONED
        case StepStatus.REJECTED:
            return RunStatus.REJECTED
    if step["on_failure"] == "continue" and step["type"] != "approval":
        return None
    return RunStatus.TIMED_OUT if status == StepStatus.TIMED_OUT else RunStatus.FAILED


def shown_hash(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 of what an approver sees, as canonical JSON. Raises `ValueError`."""
    return hashlib.sha256(canonical_json(content)).hexdigest()


def salted_hash(salt: str, secret: str) -> str:
    """Return the hash that replaces a secret in the content of a run."""
    return hashlib.sha256(f"{salt}\0{secret}".encode()).hexdigest()


def frozen_by(windows: Sequence[Mapping[str, Any]], now: datetime) -> Mapping[str, Any] | None:
    """Return the freeze window that contains `now`, or None."""
    return next((one for one in windows if _contains(one, now)), None)


def _contains(window: Mapping[str, Any], now: datetime) -> bool:
    if window.get("starts_at"):
        return parse_time(window["starts_at"]) <= now < parse_time(window["ends_at"])
    local = now.astimezone(ZoneInfo(window["timezone"]))
    begins, ends = minutes_of(window["start_time"]), minutes_of(window["end_time"])
    minute = local.hour * 60 + local.minute
    today = _has_day(window["weekdays"], local)
    if begins < ends:
        return today and begins <= minute < ends
    # It ends on the day after the one on which it begins.
    yesterday = _has_day(window["weekdays"], local - timedelta(days=1))
    return (today and minute >= begins) or (yesterday and minute < ends)


_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def _has_day(weekdays: Sequence[str], local: datetime) -> bool:
    return not weekdays or _DAYS[local.weekday()] in weekdays


def minutes_of(text: str) -> int:
    """Return the minutes of a wall-clock time since midnight; `24:00` is 1440."""
    if text == "24:00":
        return 24 * 60
    found = time.fromisoformat(text)
    return found.hour * 60 + found.minute


def span_of(text: str) -> timedelta:
    """Return a duration of a stored step: `1h30m`."""
    return timedelta(milliseconds=duration_ms(text))


def hosts_of(steps: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the hosts that the HTTP steps call, in lower case, with their ports."""
    return {
        step["url"].split("://", 1)[-1].split("/", 1)[0].split("?", 1)[0].lower()
        for step in steps
        if step["type"] == "http"
    }


def compares(op: str, value: float, threshold: float) -> bool:
    """Whether a value fulfils the condition of a query step."""
    match op:
        case ">":
            return value > threshold
        case ">=":
            return value >= threshold
        case "<":
            return value < threshold
        case "<=":
            return value <= threshold
        case "==":
            return value == threshold
    return value != threshold
