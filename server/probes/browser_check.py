"""Browser flows: the only file that knows the browser. Without it, such checks are not accepted."""

from __future__ import annotations

import base64
from importlib import import_module
from typing import Any

from pydantic import ValidationError

from novaql.server.egress.dialer import Dialer
from novaql.server.probes.deadline import Deadline, ProbeCancelled
from novaql.server.probes.result import (
    MOST_SCREENSHOTS,
    Outcome,
    Screenshot,
    StepResult,
    blocked,
)
from novaql.server.probes.spec import ProbeSpec

LARGEST_PNG = 700_000
_MODULE = "novaql.server.probes.browser"


def unavailable() -> str | None:
    """Return why no browser can run here; None: one can."""
    module = _browser()
    if module is None:
        return "this installation has no browser flows"
    found: str | None = module.available()
    return found


def check_flow(target: str, steps: list[dict[str, Any]]) -> None:
    """Raise pydantic's `ValidationError` for steps that are no flow."""
    module = _browser()
    if module is not None:
        module.Flow.model_validate({"target": target, "steps": steps})


def check_browser(spec: ProbeSpec, dialer: Dialer, deadline: Deadline) -> Outcome:
    """Run one attempt of a browser flow."""
    module = _browser()
    why = unavailable()
    if module is None or why is not None:
        return Outcome(
            status="failure", failure_reason="browser_unavailable", detail=str(why)[:500]
        )
    try:
        flow = module.Flow.model_validate({"target": spec.target, "steps": spec.steps})
    except ValidationError:
        return Outcome(status="failure", failure_reason="invalid_flow", detail="unknown steps")
    found = module.run_flow(
        flow,
        dialer=dialer,
        timeout_s=deadline.left(),
        secrets=spec.secrets,
        cancelled=deadline.cancelled,
    )
    if deadline.cancelled.is_set():
        raise ProbeCancelled
    shots = [
        Screenshot(name=name[:100], png=base64.b64encode(png).decode())
        for name, png in found.screenshots[:MOST_SCREENSHOTS]
        if len(png) <= LARGEST_PNG
    ]
    steps = [_step(one) for one in found.steps[:200]]
    if found.blocked:
        return blocked(duration_s=found.duration_s, steps=steps)
    return Outcome(
        status="success" if found.success else "failure",
        failure_reason=found.failure_reason,
        detail=found.detail[:500],
        duration_s=found.duration_s,
        steps=steps,
        screenshots=shots,
    )


def _step(step: Any) -> StepResult:
    ok = getattr(step, "ok", getattr(step, "success", True))
    return StepResult(
        action=str(getattr(step, "action", ""))[:32],
        ok=bool(ok),
        duration_s=float(getattr(step, "duration_s", 0.0)),
        detail=str(getattr(step, "detail", "") or "")[:500],
    )


def _browser() -> Any | None:
    try:
        return import_module(_MODULE)
    except ImportError:
        return None
