"""The order of due jobs: fair between tenants."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from novaql.server.db.tables import Job
from novaql.server.pools.fair_queue import FairQueue

_LOOK = 128
_EACH = 8
_RANKED_S = 0.2


class FairClaims:
    """Finds due jobs in the order in which tenants take turns.

    If the oldest due jobs are all due jobs, they suffice. If there are more, the oldest may all
    belong to one tenant, so the first jobs of each tenant are searched. That search reads all due
    jobs and therefore runs only a few times a second.
    """

    def __init__(self) -> None:
        self._ranked_at = -_RANKED_S

    def next(
        self, session: Session, due: Sequence[ColumnElement[bool]], active: Mapping[str, int]
    ) -> list[str]:
        """Return ids of due jobs in the order in which they run.

        due     conditions of due jobs
        active  the number of running jobs of each tenant
        """
        oldest = select(Job.id, Job.tenant_id).where(*due).order_by(Job.run_at, Job.id)
        rows = session.execute(oldest.limit(_LOOK)).all()
        now = time.monotonic()
        if len(rows) == _LOOK and now - self._ranked_at >= _RANKED_S:
            self._ranked_at = now
            place = func.row_number().over(
                partition_by=Job.tenant_id, order_by=(Job.run_at, Job.id)
            )
            ranked = select(Job.id, Job.tenant_id, place.label("place")).where(*due).subquery()
            first = select(ranked.c.id, ranked.c.tenant_id).where(ranked.c.place <= _EACH)
            rows = session.execute(first.order_by(ranked.c.place).limit(_LOOK)).all()
        return in_turn([(str(tenant), str(job)) for job, tenant in rows], active)


def in_turn(jobs: Sequence[tuple[str, str]], active: Mapping[str, int]) -> list[str]:
    """Return jobs, given as pairs of tenant and id, in the order of turns."""
    queue: FairQueue[str] = FairQueue()
    for tenant, running in active.items():
        for _ in range(running):
            queue.enter(tenant)
    for tenant, job in jobs:
        queue.put(tenant, job)
    found = []
    while (taken := queue.take()) is not None:
        found.append(taken.item)
    return found
