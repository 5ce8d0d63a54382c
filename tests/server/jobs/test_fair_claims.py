"""Jobs of tenants run in turn: a backlog of one does not delay the next job of another."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest
from sqlalchemy import select

from novaql.server.auth.bootstrap import add_tenant
from novaql.server.db.tables import Job
from novaql.server.ids import new_id
from novaql.server.jobs.fair_claims import FairClaims, in_turn
from novaql.server.jobs.runner import JobKind, JobRun, JobRunner
from tests.support.servers.http_server import LocalServer

HANG_S = 60.0


def tenant(served: LocalServer, name: str) -> str:
    return add_tenant(served.context.database, served.context.clock, name).id


def add_jobs(served: LocalServer, tenant_id: str, count: int, *, late_s: float) -> None:
    now = served.context.clock.now()
    with served.context.database.write(tenant_id) as session:
        session.add_all(
            Job(
                id=new_id("job"),
                kind="work",
                key=str(n),
                payload={},
                created_at=now,
                run_at=now - timedelta(seconds=late_s),
                attempts=0,
            )
            for n in range(count)
        )


def test_turns_begin_with_the_tenant_that_has_least_at_work() -> None:
    jobs = [("a", "a1"), ("a", "a2"), ("a", "a3"), ("b", "b1"), ("c", "c1"), ("c", "c2")]
    assert in_turn(jobs, {}) == ["a1", "b1", "c1", "a2", "c2", "a3"]
    assert in_turn(jobs, {"a": 2, "b": 1}) == ["c1", "b1", "c2", "a1", "a2", "a3"]


def test_a_backlog_does_not_hide_the_job_of_another_tenant(served: LocalServer) -> None:
    noisy, quiet = tenant(served, "noisy"), tenant(served, "quiet")
    add_jobs(served, noisy, 500, late_s=60)
    add_jobs(served, quiet, 1, late_s=1)
    with served.context.database.read(None) as session:
        wanted = session.execute(select(Job.id).where(Job.tenant_id == quiet)).scalar_one()
        due = [Job.kind == "work", Job.run_at <= served.context.clock.now()]
        assert wanted in FairClaims().next(session, due, {})[:2]
        assert FairClaims().next(session, due, {noisy: 1})[0] == wanted


@pytest.mark.slow
def test_jobs_that_take_all_threads_leave_one_to_a_tenant_without_any(served: LocalServer) -> None:
    noisy, quiet = tenant(served, "noisy"), tenant(served, "quiet")
    add_jobs(served, noisy, 300, late_s=60)
    end, done, running = threading.Event(), threading.Event(), threading.Semaphore(0)

    def work(job: JobRun) -> None:
        if job.context.tenant_id == quiet:
            done.set()
        else:
            running.release()
            end.wait(HANG_S)

    runner = JobRunner(served.context, [JobKind("work", work)], threads=2, poll_s=0.02)
    runner.start()
    try:
        for _ in range(2):
            assert running.acquire(timeout=HANG_S)
        add_jobs(served, quiet, 1, late_s=0)
        assert done.wait(HANG_S)
        assert not running.acquire(timeout=0.2)  # no more of the tenant that has some at work
    finally:
        end.set()
        runner.stop()


@pytest.mark.slow
def test_every_job_of_a_backlog_runs_once(served: LocalServer) -> None:
    tenants = [tenant(served, name) for name in ("a", "b", "c")]
    for number, tenant_id in enumerate(tenants):
        add_jobs(served, tenant_id, 60 * number + 20, late_s=10)
    ran: list[str] = []
    runner = JobRunner(
        served.context, [JobKind("work", lambda job: ran.append(job.id))], threads=2, poll_s=0.02
    )
    runner.start()
    try:
        end = time.monotonic() + HANG_S
        while len(ran) < 240 and time.monotonic() < end:
            time.sleep(0.02)
    finally:
        runner.stop()
    assert len(ran) == len(set(ran)) == 240
