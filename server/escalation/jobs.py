"""Steps, expiries of acknowledgements, and deliveries of pages as leased jobs."""

from __future__ import annotations

from novaql.server.escalation import runs
from novaql.server.escalation.delivery import deliver
from novaql.server.escalation.paging import DELIVER
from novaql.server.jobs.runner import JobKind, JobRun


def _advance(job: JobRun) -> None:
    with job.finish() as unit:
        runs.advance(unit, job.key, job.payload)


def _expire(job: JobRun) -> None:
    with job.finish() as unit:
        runs.expire(unit, job.key, job.payload)


KINDS = (
    JobKind(runs.STEP, _advance),
    JobKind(runs.EXPIRE, _expire),
    JobKind(DELIVER, deliver, lane="method_id", waits=True),
)
