"""One check for due jobs: which pools have some, and when the next job is due."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import bindparam, exists, func, or_, select

from novaql.server.db.engine import StateDatabase
from novaql.server.db.tables import Job

_JOBS = Job.__table__.c


class DueJobs:
    """Checks for due jobs of some pools.

    A poll follows each end of a job and each change that adds one. Its statement is therefore built
    once, over the table instead of the mapped class: that takes a third of the time.

    kinds_of_pools  the kinds of jobs of each pool
    """

    def __init__(self, database: StateDatabase, kinds_of_pools: Sequence[Sequence[str]]) -> None:
        self._database = database
        now = bindparam("now", type_=_JOBS.run_at.type)
        soon = bindparam("soon", type_=_JOBS.run_at.type)
        free = or_(_JOBS.lease_until.is_(None), _JOBS.lease_until <= now)
        known = [kind for kinds in kinds_of_pools for kind in kinds]
        coming = select(func.min(_JOBS.run_at)).where(
            _JOBS.run_at > now, _JOBS.run_at <= soon, _JOBS.kind.in_(known)
        )
        due = (
            exists().where(_JOBS.kind.in_(kinds), _JOBS.run_at <= now, free)
            for kinds in kinds_of_pools
        )
        self._statement = select(coming.scalar_subquery(), *due)

    def poll(self, now: datetime, soon: datetime) -> tuple[list[bool], datetime | None]:
        """Return whether each pool has a due job without a lease, and the first time after `now`
        and up to `soon` at which a job is due."""
        with self._database.read(None) as session:
            row = session.connection().execute(self._statement, {"now": now, "soon": soon}).one()
        return [bool(found) for found in row[1:]], row[0]
