"""HTTP steps: one request by the dialer, which never enters networks that are not public."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from novaql.server.egress.dialer import Dialer
from novaql.server.egress.outgoing import send
from novaql.server.runbooks.model import StepStatus
from novaql.server.runbooks.outcome import StepOutcome

AGENT = "NovaQL-Runbooks/1"


def run_http(
    dialer: Dialer,
    step: Mapping[str, Any],
    run_id: str,
    timeout_s: float,
    most: int,
    cancelled: Callable[[], bool],
) -> StepOutcome:
    """Send the request of a step. `most` is the size of the answer that is read.

    Attempts of a step carry the same `Idempotency-Key`, so that a receiver can recognise a
    repetition.
    """
    headers = {"User-Agent": AGENT, "Accept-Encoding": "identity", **step["headers"]}
    named = {name.lower() for name in headers}
    if step["json"] is not None:
        body: bytes | None = orjson.dumps(step["json"])
        if "content-type" not in named:
            headers["Content-Type"] = "application/json"
    else:
        body = None if step["body"] is None else step["body"].encode()
    if step["method"] not in ("GET", "HEAD") and "idempotency-key" not in named:
        headers["Idempotency-Key"] = f"{run_id}-{step['position']}"
    answer = send(
        dialer,
        step["method"],
        step["url"],
        body,
        headers,
        timeout_s=timeout_s,
        most=most + 1,
        cancelled=cancelled,
    )
    if answer.status is None:
        return _unanswered(answer.error or "no answer", timeout_s)
    good = answer.status in step["expect_status"]
    return StepOutcome(
        StepStatus.SUCCEEDED if good else StepStatus.FAILED,
        answer.excerpt,
        truncated=len(answer.excerpt.encode()) > most,
        detail=f"it answered {answer.status}" + ("" if good else ", which is not expected"),
    )


def _unanswered(error: str, timeout_s: float) -> StepOutcome:
    match error:
        case "target_not_allowed":
            return StepOutcome(StepStatus.BLOCKED, detail="the target is not a public address")
        case "cancelled":
            why = "cancelled before an answer; the target may have acted on the request"
            return StepOutcome(StepStatus.CANCELLED, detail=why)
        case "timeout":
            return StepOutcome(StepStatus.TIMED_OUT, detail=f"no answer within {timeout_s:g} s")
    return StepOutcome(StepStatus.FAILED, detail=f"no answer: {error}")


def planned_http(step: Mapping[str, Any]) -> str:
    """Return what a step would send, for a dry run."""
    parts = [f"{step['method']} {step['url']}"]
    parts += [f"{name}: {text}" for name, text in step["headers"].items()]
    if step["json"] is not None:
        parts += ["", orjson.dumps(step["json"]).decode()]
    elif step["body"] is not None:
        parts += ["", step["body"]]
    return "\n".join(parts)
