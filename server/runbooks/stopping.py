"""The stop switch: it also wakes the runs that wait, so that they end now."""

from __future__ import annotations

from sqlalchemy import select

from novaql.server.db.unit import Unit
from novaql.server.runbooks.model import RunStatus
from novaql.server.runbooks.rows import JOB
from novaql.server.runbooks.service import set_switch
from novaql.server.runbooks.tables import RunbookRun

_WOKEN = (RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.WAITING)


def stop(unit: Unit, reason: str) -> None:
    """Stop all runs of the tenant."""
    set_switch(unit, stopped=True, reason=reason)
    unit.session.flush()
    woken = select(RunbookRun.id).where(RunbookRun.status.in_(_WOKEN))
    now = unit.now()
    ids = unit.session.execute(woken.order_by(RunbookRun.id)).scalars().all()
    unit.enqueue_all(JOB, dict.fromkeys(ids, now))
