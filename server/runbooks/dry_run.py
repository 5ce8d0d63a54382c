"""Dry runs: they record what each step would do, and send nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from novaql.server.db.unit import Unit
from novaql.server.runbooks.http_step import planned_http
from novaql.server.runbooks.model import RunStatus, StepStatus
from novaql.server.runbooks.parameters import inserted
from novaql.server.runbooks.recording import end_run
from novaql.server.runbooks.redacting import Redactor
from novaql.server.runbooks.tables import RunbookRun, RunbookStepRun


def record_plan(unit: Unit, run: RunbookRun, secrets: Mapping[str, str]) -> None:
    """Record what each step of a dry run would do, and end it."""
    redactor = Redactor(secrets.values())
    values = {**run.content["parameters"], **secrets}
    now, most = unit.now(), unit.settings.runbook_output_bytes
    for spec in run.content["steps"]:
        planned = _planned(inserted(spec, values))
        output, truncated = redactor.shown(planned, most)
        step = RunbookStepRun(
            run_id=run.id,
            position=spec["position"],
            name=spec["name"],
            type=spec["type"],
            status=StepStatus.DRY.value,
            attempt=1,
            started_at=now,
            ended_at=now,
            output=output,
            truncated=truncated,
            detail="a dry run sends nothing",
            approvals=[],
        )
        unit.session.add(step)
    unit.session.flush()
    run.started_at = now
    run.position = len(run.content["steps"])
    end_run(unit, run, RunStatus.SUCCEEDED, "dry run")


def _planned(step: Mapping[str, Any]) -> str:
    match step["type"]:
        case "http":
            return planned_http(step)
        case "query":
            condition = "has any value" if step["op"] is None else _compared(step)
            return f"{step['expr']}\n{condition}"
        case "wait":
            return f"waits {step['duration']}"
        case "notify":
            return f"to {step['channel']}: {step['message']}"
        case "approval":
            return f"waits for {step['approvals']} approvals: {step['message']}"
    arguments = "\n".join(f"{name}={text}" for name, text in sorted(step["parameters"].items()))
    return f"executor {step['executor']}\n{arguments}"


def _compared(step: Mapping[str, Any]) -> str:
    return f"{step['match']} value {step['op']} {step['threshold']:g}"
