"""The job that stores samples of all groups of a tenant at intervals.

Without it, queries would not find a group five minutes after its push.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from novaql.server.clock import to_ms
from novaql.server.jobs.runner import JobKind, JobRun
from novaql.server.pushes.service import SAMPLE, current
from novaql.server.pushes.tables import PushGroup

_PAGE = 100


def _sample(job: JobRun) -> None:
    began = job.context.clock.now()
    # A change that commits while this job runs has a later time than the samples of this job.
    time_ms, after = to_ms(began) - 1, ""
    while True:
        page = select(PushGroup).where(PushGroup.id > after).order_by(PushGroup.id).limit(_PAGE)
        with job.read() as unit:
            groups = list(unit.session.execute(page).scalars())
            if not groups:
                break
            after, batch = groups[-1].id, current(groups, time_ms)
        job.context.store.append(batch)
    with job.finish() as unit:
        if unit.session.execute(select(PushGroup.id).limit(1)).first() is not None:
            wait = timedelta(seconds=unit.settings.push_interval_s)
            unit.enqueue(SAMPLE, key=job.key, run_at=began + wait)


SAMPLES = JobKind(SAMPLE, _sample)
