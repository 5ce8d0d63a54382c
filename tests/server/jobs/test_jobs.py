"""Jobs: leased, finished with their changes, taken over, never doubled."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from time import monotonic, sleep

import pytest
from sqlalchemy import select

from novaql.errors import QueryCancelled
from novaql.server.auth.bootstrap import add_admin, add_tenant
from novaql.server.clock import SteppedClock
from novaql.server.db.engine import StateDatabase
from novaql.server.db.tables import Job, User
from novaql.server.db.unit import Origin, Unit, system_actor
from novaql.server.jobs.runner import JobKind, JobRun, JobRunner, LeaseLost
from novaql.server.tenants.context import ServerContext
from tests.support.servers.at_once import WAIT_S
from tests.support.servers.http_server import LocalServer, local_server

ORIGIN = Origin("req_test")


def tenant_context(served: LocalServer) -> ServerContext:
    return served.context.scoped(served.context.access.default_principal)


def in_unit(served: LocalServer, work: Callable[[Unit], object]) -> None:
    with tenant_context(served).unit(system_actor("test"), ORIGIN, writes=True) as unit:
        work(unit)


def runner(served: LocalServer, *kinds: JobKind, threads: int = 0) -> JobRunner:
    return JobRunner(served.context, kinds, threads=threads, poll_s=0.01)


def jobs(served: LocalServer, kind: str = "count") -> list[Job]:
    with served.context.database.read(None) as session:
        return list(session.execute(select(Job).where(Job.kind == kind)).scalars())


def counted(served: LocalServer) -> int:
    """The number that the jobs below add to."""
    with served.context.database.read(None) as session:
        return session.execute(select(User.version)).scalars().one() - 1


def add_one(unit: Unit) -> None:
    user = unit.session.execute(select(User).with_for_update()).scalar_one()
    user.version += 1


def count(job: JobRun) -> None:
    with job.finish() as unit:
        add_one(unit)


def test_a_job_runs_at_its_time_and_is_gone(served: LocalServer, clock: SteppedClock) -> None:
    soon = clock.now() + timedelta(seconds=10)
    in_unit(served, lambda unit: unit.enqueue("count", run_at=soon))
    work = runner(served, JobKind("count", count))
    early = work.run_due()
    clock.step(timedelta(seconds=10))

    assert (early, work.run_due(), work.run_due()) == (0, 1, 0)
    assert (counted(served), jobs(served)) == (1, [])


@pytest.mark.slow
def test_two_units_enqueue_a_job_with_one_key(served: LocalServer, clock: SteppedClock) -> None:
    """The second one begins before the first one commits."""
    soon = clock.now() + timedelta(seconds=10)

    def enqueue_beside(unit: Unit) -> None:
        unit.enqueue("count", key="one")
        unit.session.flush()
        both.append(pool.submit(in_unit, served, second))
        with suppress(TimeoutError):
            both[0].result(timeout=WAIT_S)

    def second(unit: Unit) -> None:
        unit.enqueue("count", key="one", payload={"second": True}, run_at=soon)

    both: list[Future[None]] = []
    with ThreadPoolExecutor(1) as pool:
        in_unit(served, enqueue_beside)
        both[0].result()
    (job,) = jobs(served)

    assert (job.run_at, job.payload) == (soon, {"second": True})


def test_a_unit_that_rolls_back_leaves_no_job(served: LocalServer) -> None:
    def half(unit: Unit) -> None:
        unit.enqueue("count")
        unit.session.flush()
        raise RuntimeError

    with pytest.raises(RuntimeError):
        in_unit(served, half)
    assert jobs(served) == []


def test_a_timer_runs_again_and_again(served: LocalServer, clock: SteppedClock) -> None:
    def tick(job: JobRun) -> None:
        with job.finish(again_at=job.run_at + timedelta(minutes=1)) as unit:
            add_one(unit)

    in_unit(served, lambda unit: unit.enqueue("count", key="timer"))
    work = runner(served, JobKind("count", tick))
    for _ in range(3):
        work.run_due()
        clock.step(timedelta(minutes=1))

    assert counted(served) == 3
    assert len(jobs(served)) == 1


def test_a_failure_is_tried_again_later_and_leaves_nothing(
    served: LocalServer, clock: SteppedClock
) -> None:
    attempts: list[int] = []

    def fail_twice(job: JobRun) -> None:
        attempts.append(job.attempts)
        with job.finish() as unit:
            add_one(unit)
            unit.session.flush()
            if job.attempts < 2:
                raise RuntimeError("no luck")

    in_unit(served, lambda unit: unit.enqueue("count"))
    work = runner(served, JobKind("count", fail_twice, retry=lambda n: timedelta(seconds=n)))
    ran = []
    for _ in range(4):
        ran.append(work.run_due())
        if len(ran) == 1:
            assert jobs(served)[0].last_error == "RuntimeError: no luck"
        clock.step(timedelta(seconds=2))

    assert attempts == [0, 1, 2]
    assert ran == [1, 1, 1, 0]
    assert counted(served) == 1


def test_a_killed_workers_job_is_taken_over_and_it_can_change_nothing_more(
    served: LocalServer, clock: SteppedClock
) -> None:
    in_unit(served, lambda unit: unit.enqueue("count"))
    stuck: list[JobRun] = []
    kind = JobKind("count", stuck.append)
    dead = runner(served, kind)
    stuck += dead._claim(1, ["count"])  # leased, and never heard of again
    second = runner(served, JobKind("count", count))
    before = second.run_due()
    clock.step(timedelta(seconds=30))
    after = second.run_due()

    def come_back() -> None:
        with stuck[0].finish() as unit:
            add_one(unit)

    with pytest.raises(LeaseLost):
        come_back()
    assert (before, after, counted(served)) == (0, 1, 1)


def test_wanted_again_while_it_runs_it_runs_again(served: LocalServer, clock: SteppedClock) -> None:
    def run(job: JobRun) -> None:
        if counted(served) == 0:
            clock.step(timedelta(seconds=1))
            in_unit(served, lambda unit: unit.enqueue("count", key="one"))
        with job.finish() as unit:
            add_one(unit)

    in_unit(served, lambda unit: unit.enqueue("count", key="one"))

    assert runner(served, JobKind("count", run)).run_due() == 2
    assert jobs(served) == []


def test_a_cancelled_job_changes_nothing(served: LocalServer) -> None:
    def run(job: JobRun) -> None:
        in_unit(served, lambda unit: unit.cancel("count", ["one"]))
        with job.finish() as unit:
            add_one(unit)

    in_unit(served, lambda unit: unit.enqueue("count", key="one"))
    runner(served, JobKind("count", run)).run_due()

    assert (counted(served), jobs(served)) == (0, [])


@pytest.mark.slow
def test_many_workers_do_each_job_once(served: LocalServer) -> None:
    for _ in range(40):
        in_unit(served, lambda unit: unit.enqueue("count"))
    workers = [runner(served, JobKind("count", count), threads=2) for _ in range(3)]
    for worker in workers:
        worker.start()
    done = threading.Event()
    for _ in range(500):
        if not jobs(served):
            break
        done.wait(0.02)
    for worker in workers:
        worker.stop()

    assert jobs(served) == []
    assert counted(served) == 40


@pytest.mark.slow
def test_a_runner_sleeps_until_a_job_is_due() -> None:
    """It looks once in an hour, and yet a job that it knows of runs at its time."""
    ran = threading.Event()
    with local_server() as server:
        context = server.context
        kind = JobKind("soon", lambda _: ran.set())
        at = context.clock.now() + timedelta(seconds=1)
        in_unit(server, lambda unit: unit.enqueue("soon", run_at=at))
        work = JobRunner(context, [kind], threads=1, poll_s=3600)
        work.start()
        try:
            assert ran.wait(120)
        finally:
            work.stop()
    assert context.clock.now() >= at


def test_a_tenant_that_waits_leaves_places_for_others(served: LocalServer) -> None:
    """A hundred jobs of one wait for somebody; the one job of another is done meanwhile."""
    hold, began, done = threading.Event(), threading.Semaphore(0), threading.Event()
    other = add_tenant(served.context.database, served.context.clock, "other")
    mine = served.context.access.default_principal

    def wait(job: JobRun) -> None:
        if job.context.principal is not None and job.context.principal.tenant_id == other.id:
            done.set()
            return
        began.release()
        hold.wait(20)

    theirs = served.context.scoped(replace(mine, tenant_id=other.id, tenant_name="other"))
    kind = JobKind("wait", wait, lane="to", waits=True)

    def enqueue_many(unit: Unit) -> None:
        for number in range(100):
            unit.enqueue("wait", payload={"to": str(number)})

    in_unit(served, enqueue_many)
    with theirs.unit(system_actor("test"), ORIGIN, writes=True) as unit:
        unit.enqueue("wait", payload={"to": "x"})
    work = JobRunner(served.context, [kind], threads=1, waiting=4, poll_s=0.01)
    work.start()
    try:
        assert all(began.acquire(timeout=10) for _ in range(2))
        assert done.wait(10)
        assert not began.acquire(timeout=0.2)  # a share of two
    finally:
        hold.set()
        work.stop()


def test_a_job_sees_its_tenant(
    served: LocalServer, database: StateDatabase, clock: SteppedClock
) -> None:
    seen: list[str] = []

    def look(job: JobRun) -> None:
        with job.read() as unit:
            seen.extend(unit.session.execute(select(User.email)).scalars())

    from_first = served.context.access.default_principal.tenant_id
    add_admin(database, clock, from_first, email="second@example.com")
    in_unit(served, lambda unit: unit.enqueue("look"))
    runner(served, JobKind("look", look)).run_due()

    assert sorted(seen) == ["ada@example.com", "second@example.com"]


def test_queries_of_a_job_end_when_its_time_is_over(served: LocalServer) -> None:
    seen: list[bool] = []

    def look(job: JobRun) -> None:
        seen.append(job.cancellation.cancelled)

    for longest in (timedelta(minutes=1), timedelta()):
        in_unit(served, lambda unit: unit.enqueue("look"))
        runner(served, JobKind("look", look, longest=longest)).run_due()
    assert seen == [False, True]


def test_a_job_that_the_stop_has_cancelled_is_given_back_as_it_was(served: LocalServer) -> None:
    begun, failures = threading.Event(), []

    def wait(job: JobRun) -> None:
        begun.set()
        ends = monotonic() + 30
        while not job.cancellation.cancelled and monotonic() < ends:
            sleep(0.005)
        if job.cancellation.cancelled:
            raise QueryCancelled("the query was cancelled")

    def failed(*told: object) -> None:
        failures.append(told)

    in_unit(served, lambda unit: unit.enqueue("wait"))
    work = runner(served, JobKind("wait", wait, failed=failed), threads=1)
    work.start()
    assert begun.wait(10)
    work.stop()
    (left,) = jobs(served, "wait")

    assert (left.attempts, left.last_error, left.lease, failures) == (0, None, None, [])
