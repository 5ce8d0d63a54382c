"""The job runner: claims due jobs from the database and runs them.

A job is a row, written in the transaction of the change that needs it. A worker claims it and does
the work that is impossible in a transaction (requests to other systems, queries). Then it finishes:
one transaction commits the changes of the job and its end, provided that the worker still holds the
lease. If a worker is killed, no job is lost: its lease expires and another worker takes the job
over (`leases.py`: within seconds). Effects in the database occur once. Effects outside may occur
twice, and a job must tolerate that.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select

from novaql import QueryCancelled
from novaql.fast_dataclass import dataclass
from novaql.server.db.rows import Tenant
from novaql.server.db.tables import Job
from novaql.server.ids import new_id
from novaql.server.jobs.due import DueJobs
from novaql.server.jobs.fair_claims import FairClaims
from novaql.server.jobs.job import JobCancellation, JobKind, JobRun, LeaseLost, as_system
from novaql.server.jobs.leases import Leases
from novaql.server.jobs.loop import Loop
from novaql.server.tenants.context import ServerContext

__all__ = ["JobKind", "JobRun", "JobRunner", "LeaseLost"]
log = logging.getLogger(__name__)
_AT_ONCE = 32
_SOONEST_S = 0.001


@dataclass
class _KindPool:
    """Threads for some kinds of jobs, and the number of running jobs of each tenant."""

    kinds: Sequence[str]
    threads: int
    active: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.executor = ThreadPoolExecutor(max(1, self.most), thread_name_prefix="job")

    @property
    def most(self) -> int:
        """The largest number of simultaneous jobs, including extra threads for idle tenants."""
        return 2 * self.threads


class JobRunner:
    """Claims jobs and runs them in threads. Several processes can run jobs at the same time.

    threads   simultaneous jobs in this process; 0: none
    waiting   the same for the kinds that wait for other systems, in addition
    poll_s    the interval of polls for jobs that other processes have added; a known job runs when
              it is due, without a poll
    holder    the name of this server (`leases.holder_of`); None: a new name
    """

    def __init__(
        self,
        context: ServerContext,
        kinds: Sequence[JobKind],
        *,
        threads: int,
        waiting: int = 16,
        poll_s: float = 0.5,
        housekeeping: Callable[[], None] = lambda: None,
        holder: str | None = None,
    ) -> None:
        self._context = context
        self._kinds = {kind.name: kind for kind in kinds}
        self._kind_pools = (
            _KindPool([k.name for k in kinds if not k.waits and not k.own_threads], threads),
            _KindPool([k.name for k in kinds if k.waits], waiting),
            *(
                _KindPool([k.name], getattr(context.settings, k.own_threads))
                for k in kinds
                if k.own_threads
            ),
        )
        self._due = DueJobs(context.database, [pool.kinds for pool in self._kind_pools])
        self._works = threads > 0
        self._poll_s = poll_s
        self._lock = threading.Lock()
        self._lanes: Counter[tuple[str, str]] = Counter()
        self._waiting: Counter[str] = Counter()
        self._share = max(1, waiting // 2)
        self._fair = FairClaims()
        self._loop = Loop("jobs", self._fill_pools, every_s=poll_s)
        # A separate thread, because slow housekeeping must not delay due jobs.
        self._housekeeper = Loop("housekeeping", housekeeping, every_s=poll_s)
        self._leases = Leases(
            context.database,
            context.clock,
            new_id("run") if holder is None else holder,
            timedelta(seconds=context.settings.job_lease_s),
        )

    def start(self) -> None:
        if not self._works:
            return
        self._housekeeper.start()
        if self._kinds:
            self._leases.start()
            self._loop.start()

    def stop(self) -> None:
        """Stop. Queries of running jobs end at their next checkpoint. These jobs, and claimed jobs
        that have not begun, are released. Wait for all other running jobs."""
        self._loop.stop()
        self._housekeeper.stop()
        for pool in self._kind_pools:
            pool.executor.shutdown()
        self._leases.stop()

    def wake(self) -> None:
        """Poll for due jobs now."""
        self._loop.wake()

    def run_due(self, *, most: int = 10_000) -> int:
        """Run due jobs in this thread until none is due. Return their number.

        For tests with their own clock: advance the clock, run due jobs, check.
        """
        for done in range(most):
            self._leases.mend_times()
            claimed = self._claim(1, list(self._kinds))
            if not claimed:
                return done
            try:
                self._run(claimed[0])
            finally:
                self._leave(claimed[0])
        raise RuntimeError(f"more than {most} jobs were due: one of them is always due again")

    def _fill_pools(self) -> float:
        """Assign due jobs to free threads. Return the seconds until there may be more."""
        self._leases.mend_times()
        now = self._context.clock.now()
        due, coming = self._due.poll(now, now + timedelta(seconds=self._poll_s))
        pools = (pool for pool, found in zip(self._kind_pools, due, strict=True) if found)
        if sum([self._fill(pool) for pool in pools]):
            return 0
        if coming is None:
            return self._poll_s
        return max((coming - self._context.clock.now()).total_seconds(), _SOONEST_S)

    def _fill(self, kind_pool: _KindPool) -> int:
        """Assign due jobs to free threads of a pool, and jobs of tenants without a running job to
        extra threads. Return the number of jobs."""
        with self._lock:
            active = Counter(kind_pool.active)
        free = kind_pool.threads - active.total()
        most = min(free, _AT_ONCE) if free > 0 else kind_pool.most - active.total()
        runs = self._claim(most, kind_pool.kinds, active, first_only=free <= 0)
        for run in runs:
            with self._lock:
                kind_pool.active[run.context.tenant_id] += 1
            kind_pool.executor.submit(self._run_and_leave, run, kind_pool)
        return len(runs)

    def _run_and_leave(self, run: JobRun, kind_pool: _KindPool) -> None:
        try:
            if not self._loop.stopping.is_set():
                self._run(run)
        finally:
            with self._lock:
                kind_pool.active -= Counter([run.context.tenant_id])
            self._leave(run)
            self.wake()

    def _run(self, run: JobRun) -> None:
        kind = self._kinds[run.kind]
        outcome = "ok"
        try:
            kind.run(run)
            if not run.ended:
                with run.finish():
                    pass
        except LeaseLost:
            outcome = "lost"
        except Exception as error:
            if isinstance(error, QueryCancelled) and self._loop.stopping.is_set():
                # The job has changed nothing: `Leases.stop` releases it, and the next start runs
                # it.
                self._context.telemetry.jobs.labels(run.kind, "stopped").inc()
                return
            outcome = "failed"
            log.exception(
                "a job failed", extra={"job_id": run.id, "kind": run.kind, "key": run.key}
            )
            try:
                run.fail(error, kind)
            except LeaseLost:
                outcome = "lost"
            except Exception:  # its lease will expire
                log.exception("a failed job could not be given back", extra={"job_id": run.id})
        self._context.telemetry.jobs.labels(run.kind, outcome).inc()

    def _claim(
        self,
        most: int,
        kinds: Sequence[str],
        active: Counter[str] | None = None,
        *,
        first_only: bool = False,
    ) -> list[JobRun]:
        """Claim at most `most` due jobs; tenants take turns.

        active      the number of running jobs of each tenant
        first_only  claim one job for each tenant without a running job
        """
        if not kinds or most <= 0 or self._context.database.is_fallback:  # the leases would be lost
            return []
        now = self._context.clock.now()
        active = Counter() if active is None else active
        due = [
            Job.run_at <= now,
            Job.kind.in_(kinds),
            or_(Job.lease_until.is_(None), Job.lease_until <= now),
            Job.id.not_in(self._leases.held_jobs()),
            *self._outside_full_lanes(kinds),
            *self._of_other_tenants(kinds),
        ]
        if first_only:
            due.append(Job.tenant_id.not_in(list(active)))
        with self._context.database.read(None) as session:
            ids = self._fair.next(session, due, active)[: most * 4]
        if not ids:
            return []
        wanted = (
            select(Job, Tenant)
            .join(Tenant, Tenant.id == Job.tenant_id)
            .where(Job.id.in_(ids), *due)
            .with_for_update(skip_locked=True, of=Job)
        )
        found: list[JobRun] = []
        try:
            with self._context.database.write(None, durability="relaxed", visible=False) as session:
                rows = {job.id: (job, tenant) for job, tenant in session.execute(wanted)}
                seen: set[str] = set()
                for job, tenant in (rows[key] for key in ids if key in rows):
                    if len(found) >= most:
                        break
                    if first_only and tenant.id in seen:
                        continue
                    seen.add(tenant.id)
                    kind = self._kinds[job.kind]
                    if not self._enter_lane(kind, job.payload, tenant.id):
                        continue
                    job.lease = self._leases.acquire(job.id, kind.longest)
                    job.lease_until = now + self._leases.lasts
                    job.leased_by = self._leases.holder
                    found.append(self._leased(job, tenant, now))
        except BaseException:  # no job was leased: release the places in lanes
            for run in found:
                self._leave(run)
            raise
        return found

    def _outside_full_lanes(self, kinds: Sequence[str]) -> list[ColumnElement[bool]]:
        """Return conditions that exclude the jobs of full lanes, however many there are."""
        with self._lock:
            taken = dict(self._lanes)
        conditions: list[ColumnElement[bool]] = []
        for name in kinds:
            kind = self._kinds[name]
            full = [lane for (k, lane), n in taken.items() if k == name and n >= kind.lane_width]
            if kind.lane is not None and full:
                lane = func.coalesce(Job.payload[kind.lane].as_string(), "")
                conditions.append(or_(Job.kind != name, lane.not_in(full)))
        return conditions

    def _of_other_tenants(self, kinds: Sequence[str]) -> list[ColumnElement[bool]]:
        """Return conditions that exclude tenants with their full share of the threads for
        waiting."""
        with self._lock:
            full = [tenant for tenant, n in self._waiting.items() if n >= self._share]
        wait = [name for name in kinds if self._kinds[name].waits]
        return [or_(Job.kind.not_in(wait), Job.tenant_id.not_in(full))] if full and wait else []

    def _leased(self, job: Job, tenant: Tenant, now: datetime) -> JobRun:
        assert job.lease is not None
        return JobRun(
            as_system(self._context, tenant, job.kind),
            job.id,
            job.kind,
            job.key,
            dict(job.payload),
            job.attempts,
            job.run_at,
            job.lease,
            now,
            JobCancellation(self._loop.stopping, self._kinds[job.kind].longest),
        )

    def _enter_lane(self, kind: JobKind, payload: Mapping[str, Any], tenant_id: str) -> bool:
        lane = (kind.name, str(payload.get(kind.lane, ""))) if kind.lane else None
        with self._lock:
            if kind.waits and self._waiting[tenant_id] >= self._share:
                return False
            if lane is not None:
                if self._lanes[lane] >= kind.lane_width:
                    return False
                self._lanes[lane] += 1
            if kind.waits:
                self._waiting[tenant_id] += 1
        return True

    def _leave(self, run: JobRun) -> None:
        self._leases.release(run.lease)
        kind = self._kinds[run.kind]
        with self._lock:
            if kind.lane is not None:
                self._lanes -= Counter([(kind.name, str(run.payload.get(kind.lane, "")))])
            if kind.waits:
                self._waiting -= Counter([run.context.tenant_id])
