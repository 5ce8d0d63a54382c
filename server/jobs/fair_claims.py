"""Which due jobs are next, so that no tenant's jobs wait behind all of another's."""

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
    """Finds due jobs in the order in which tenants are to be served.

    The oldest due jobs are enough as long as they are all of them. Where there are more, they may
    all be one tenant's, so the first ones of each tenant are looked for. That reads everything that
    is due, so it is done a few times in a second at most.
    """

    def __init__(self) -> None:
        self._ranked_at = -_RANKED_S

    def next(
        self, session: Session, due: Sequence[ColumnElement[bool]], active: Mapping[str, int]
    ) -> list[str]:
        """Ids of due jobs, the first of which is to be run first.

        due     conditions of jobs that are due
        active  how many jobs of each tenant run
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
    """Jobs, each given with its tenant before it, in the order of turns."""
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
