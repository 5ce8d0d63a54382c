"""Stop switches: they also wake the runs that wait, so that they end now."""

from __future__ import annotations

from sqlalchemy import ColumnElement, select, update

from novaql.server.db.unit import Unit
from novaql.server.runbooks.model import RunStatus
from novaql.server.runbooks.rows import JOB
from novaql.server.runbooks.service import set_switch
from novaql.server.runbooks.tables import RunbookRun

_STOPPED = RunbookRun.status.in_((RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.WAITING))


def stop(unit: Unit, reason: str) -> None:
    """Stop all runs of the tenant. They also end if runs may begin again before their jobs have
    noticed the stop."""
    set_switch(unit, stopped=True, reason=reason)
    unit.session.flush()
    _wake(unit, _STOPPED)
    own = update(RunbookRun).where(_STOPPED, RunbookRun.cancelled_by.is_(None))
    unit.session.execute(own.values(cancelled_by=unit.actor.id))


def end_runs_of(unit: Unit, agent_id: str) -> None:
    """End the runs of an agent that was stopped."""
    _wake(unit, _STOPPED, RunbookRun.agent_id == agent_id)


def _wake(unit: Unit, *which: ColumnElement[bool]) -> None:
    ids = unit.session.execute(select(RunbookRun.id).where(*which).order_by(RunbookRun.id))
    unit.enqueue_all(JOB, dict.fromkeys(ids.scalars().all(), unit.now()))
