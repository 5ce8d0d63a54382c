"""Loads and locks runs and their steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from sqlalchemy import select

from novaql.fast_dataclass import dataclass
from novaql.server.db.tables import Job
from novaql.server.db.unit import Unit
from novaql.server.runbooks.run_schema import RunOut
from novaql.server.runbooks.tables import RunbookRun, RunbookStepRun

JOB = "runbooks.run"


@dataclass(frozen=True, slots=True)
class Secrets:
    """The secret parameters of a run: their values, and the salts of their hashes."""

    values: Mapping[str, str]
    salts: Mapping[str, str]


def held(unit: Unit, run_id: str) -> RunbookRun:
    """Lock a run. Raises `NotFound`.

    Its job is locked first, because the job itself holds its row before it locks the run: two
    transactions with another order could wait for each other.
    """
    own = select(Job.id).where(Job.kind == JOB, Job.key == run_id)
    unit.session.execute(own.with_for_update()).all()
    run = unit.get(RunbookRun, run_id, "run", lock=True)
    unit.session.refresh(run)
    return run


def steps_of(unit: Unit, run: RunbookRun) -> list[RunbookStepRun]:
    """Return the steps of a run that have begun, in order."""
    wanted = select(RunbookStepRun).where(RunbookStepRun.run_id == run.id)
    return list(unit.session.execute(wanted.order_by(RunbookStepRun.position)).scalars())


def current_step(unit: Unit, run: RunbookRun) -> RunbookStepRun | None:
    """Return the step at the position of a run, or None if it has not begun."""
    wanted = select(RunbookStepRun).where(
        RunbookStepRun.run_id == run.id, RunbookStepRun.position == run.position
    )
    return unit.session.execute(wanted).scalar_one_or_none()


def shown(unit: Unit, run: RunbookRun) -> RunOut:
    """A run for clients, with its steps."""
    return RunOut.with_steps(run, steps_of(unit, run))


def seal_secrets(unit: Unit, run: RunbookRun, secrets: Secrets) -> str:
    """Seal the secret parameters of a run; "" for none."""
    if not secrets.values:
        return ""
    text = orjson.dumps({"values": secrets.values, "salts": secrets.salts}).decode()
    return unit.seal(text, _place(run))


def secrets_of(unit: Unit, run: RunbookRun) -> Secrets:
    """Unseal the secret parameters of a run. Raises `CannotUnseal`."""
    if not run.sealed:
        return Secrets({}, {})
    found: dict[str, Any] = orjson.loads(unit.unseal(run.sealed, _place(run)))
    return Secrets(found["values"], found["salts"])


def _place(run: RunbookRun) -> str:
    return f"runbook_run:{run.id}:secrets"
