"""Browser flows as checks."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any

from novaql.server.egress.dialer import Dialer
from novaql.server.probes.browser import Flow, available, run_flow
from novaql.server.probes.deadline import Deadline, ProbeCancelled, RunnerUnavailable
from novaql.server.probes.result import (
    MOST_SCREENSHOTS,
    Outcome,
    Screenshot,
    StepResult,
    blocked,
)
from novaql.server.probes.result import unavailable as not_run
from novaql.server.probes.spec import ProbeSpec

LARGEST_PNG = 660_000
"""A larger picture does not fit into a report."""
MOST_BROWSERS = 4
"""Browsers of this process at the same time: each may take up to `process.MAX_MEMORY`."""
_TURN_S = 0.25
_REMEMBERED_S = 60.0
_slots = threading.BoundedSemaphore(MOST_BROWSERS)
_lock = threading.Lock()
_known: dict[str, tuple[float, str | None]] = {}


def unavailable() -> str | None:
    """Return why no browser can run here; None: one can.

    The answer of a trial is valid for a minute. A trial starts a process: do not call this on the
    event loop or in a transaction.
    """
    with _lock:
        until, answer = _known.get("browser", (0.0, None))
        if time.monotonic() >= until:
            answer = available()
            _known["browser"] = (time.monotonic() + _REMEMBERED_S, answer)
        return answer


def check_flow(target: str, steps: list[dict[str, Any]]) -> Flow:
    """Return the flow. Raises pydantic's `ValidationError` for steps that are no flow."""
    return Flow.model_validate({"target": target, "steps": steps})


@contextmanager
def slot(wait_s: float, cancelled: Event) -> Iterator[None]:
    """Wait for one of the browsers of this process. Raises `RunnerUnavailable` or
    `ProbeCancelled`."""
    end = time.monotonic() + wait_s
    while not _slots.acquire(timeout=_TURN_S):
        if cancelled.is_set():
            raise ProbeCancelled
        if time.monotonic() >= end:
            raise RunnerUnavailable("all browsers of the runner are busy")
    try:
        yield
    finally:
        _slots.release()


def check_browser(spec: ProbeSpec, dialer: Dialer, deadline: Deadline) -> Outcome:
    """Run one attempt of a browser flow.

    A page whose image or WebSocket the egress rules refuse can still succeed, as it would in the
    browser of a user behind a firewall; its steps decide.
    """
    found = run_flow(
        check_flow(spec.target, spec.steps),
        dialer=dialer,
        timeout_s=deadline.left(),
        secrets=spec.secrets,
        cancelled=deadline.cancelled.is_set,
    )
    if deadline.cancelled.is_set():
        raise ProbeCancelled
    shots = [
        Screenshot(name=name[:100], png=base64.b64encode(png).decode())
        for name, png in found.screenshots[:MOST_SCREENSHOTS]
        if len(png) <= LARGEST_PNG
    ]
    steps = [
        StepResult(
            action=step.action[:32],
            ok=step.success,
            duration_s=step.duration_s,
            detail=step.detail[:500],
        )
        for step in found.steps[:200]
    ]
    if found.failure_reason == "unavailable":
        return not_run(found.detail)
    if found.failure_reason == "blocked":
        return blocked(duration_s=found.duration_s, steps=steps)
    return Outcome(
        status="success" if found.success else "failure",
        failure_reason=found.failure_reason,
        detail=found.detail[:500],
        duration_s=found.duration_s,
        steps=steps,
        screenshots=shots,
    )
