"""Notify steps: a message to a channel. It is queued in the transaction that ends the step, so it
is queued once, however often the step runs; its delivery has separate retries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from novaql.server.db.tables import Job
from novaql.server.db.tenant_limits import DELIVERIES, PENDING_LIMIT, remaining
from novaql.server.db.unit import Unit
from novaql.server.notifications.dispatch import notify
from novaql.server.notifications.grouping import Reason
from novaql.server.notifications.lookup import channels_named
from novaql.server.runbooks.model import StepStatus
from novaql.server.runbooks.outcome import StepOutcome
from novaql.server.runbooks.tables import RunbookRun


def queue_message(unit: Unit, run: RunbookRun, step: Mapping[str, Any]) -> StepOutcome:
    """Queue the message of a step."""
    channels = channels_named(unit, [step["channel"]])
    if not channels:
        return StepOutcome(StepStatus.FAILED, detail=f"there is no channel {step['channel']!r}")
    if remaining(unit, PENDING_LIMIT, Job, Job.kind.in_(DELIVERIES)) < 1:
        return StepOutcome(StepStatus.FAILED, detail="too many messages wait for their delivery")
    made = notify(unit, channels[0], run.id, {"runbook": run.name}, "runbook", Reason.RUNBOOK, [])
    made.payload = {**made.payload, "message": {"title": run.name, "text": step["message"]}}
    return StepOutcome(StepStatus.SUCCEEDED, made.id, detail="the message is queued")
