"""The job that ends actions that were not decided, did not begin, or were not reported in time."""

from __future__ import annotations

from datetime import timedelta

from novaql.server.agents.actions import EXPIRY, expire
from novaql.server.jobs.runner import JobKind, JobRun


def _run(job: JobRun) -> None:
    with job.finish() as unit:
        expire(unit, job.key)


EXPIRIES = JobKind(EXPIRY, _run, longest=timedelta(minutes=1))
