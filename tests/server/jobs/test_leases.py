"""Leases: renewed while a job runs, taken back by who holds them, never taken from the living."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from novaql.server.clock import SteppedClock
from novaql.server.db.tables import Job
from novaql.server.errors import Unavailable
from novaql.server.jobs.leases import Leases, holder_of
from novaql.server.jobs.runner import JobKind, JobRun, JobRunner, LeaseLost
from tests.server.jobs.test_jobs import add_one, count, counted, in_unit, jobs
from tests.support.servers.http_server import LocalServer, local_server

LEASE = timedelta(seconds=15)


def runner(served: LocalServer, *kinds: JobKind, holder: str | None = None) -> JobRunner:
    return JobRunner(served.context, kinds, threads=1, poll_s=0.01, holder=holder)


def test_a_restarted_server_takes_back_its_own_jobs_only(
    served: LocalServer,
) -> None:
    for key in ("own", "other"):
        in_unit(served, lambda unit, key=key: unit.enqueue("count", key=key))  # type: ignore[misc]
    kind = JobKind("count", count)
    dead, living = runner(served, kind, holder="a"), runner(served, kind, holder="b")
    (own,) = dead._claim(1, ["count"])
    (other,) = living._claim(1, ["count"])
    assert (own.key, other.key) == ("other", "own") or (own.key, other.key) == ("own", "other")

    again = runner(served, kind, holder="a")
    again.start()
    gone = threading.Event()
    for _ in range(500):
        if counted(served):
            break
        gone.wait(0.02)
    again.stop()

    assert counted(served) == 1
    (left,) = jobs(served)
    assert (left.key, left.lease, left.leased_by) == (other.key, other.lease, "b")
    with pytest.raises(LeaseLost), own.finish() as unit:  # the dead one comes back
        add_one(unit)
    with other.finish() as unit:
        add_one(unit)
    assert (counted(served), jobs(served)) == (2, [])


def test_a_job_that_takes_longer_than_its_lease_is_not_taken_over(
    served: LocalServer, clock: SteppedClock
) -> None:
    """The clock moves by four leases while it runs; its server renews the lease."""
    began, end = threading.Event(), threading.Event()

    def slow(job: JobRun) -> None:
        began.set()
        end.wait(30)
        with job.finish() as unit:
            add_one(unit)

    in_unit(served, lambda unit: unit.enqueue("count"))
    first = JobRunner(served.context, [JobKind("count", slow)], threads=1, poll_s=0.01)
    second = JobRunner(served.context, [JobKind("count", count)], threads=0)
    first.start()
    try:
        assert began.wait(30)
        stolen = 0
        for _ in range(4):
            clock.step(LEASE - timedelta(seconds=1))
            first._leases.renew()  # as its thread does, by the machine's clock
            stolen += second.run_due()
            stolen += len(first._claim(1, ["count"]))  # however late the renewal: not by itself
    finally:
        end.set()
        first.stop()
    assert (stolen, counted(served), jobs(served)) == (0, 1, [])


def test_a_late_renewal_does_not_lease_a_job_to_its_own_server_again(
    served: LocalServer, clock: SteppedClock
) -> None:
    in_unit(served, lambda unit: unit.enqueue("count"))
    work = JobRunner(served.context, [JobKind("count", count)], threads=0)
    (run,) = work._claim(1, ["count"])
    clock.step(LEASE * 3)

    assert work._claim(1, ["count"]) == []
    with run.finish() as unit:
        add_one(unit)
    assert counted(served) == 1


def test_a_job_that_never_ends_is_not_renewed_for_ever(
    served: LocalServer, clock: SteppedClock
) -> None:
    in_unit(served, lambda unit: unit.enqueue("count"))
    stuck = JobRunner(served.context, [JobKind("count", count, longest=timedelta())], threads=0)
    stuck._claim(1, ["count"])
    stuck._leases.renew()
    clock.step(LEASE)

    assert JobRunner(served.context, [JobKind("count", count)], threads=0).run_due() == 1


def test_what_was_not_begun_is_given_back_at_a_stop(served: LocalServer) -> None:
    for _ in range(5):
        in_unit(served, lambda unit: unit.enqueue("count"))
    began, end = threading.Event(), threading.Event()

    def slow(_: JobRun) -> None:
        began.set()
        end.wait(30)

    work = runner(served, JobKind("count", slow))
    work._kind_pools[0].threads = 5  # five are leased, and one thread works
    work.start()
    assert began.wait(30)
    threading.Timer(0.2, end.set).start()
    work.stop()

    assert [job.lease for job in jobs(served) if job.lease] == []


def test_a_claim_that_fails_takes_no_place_in_a_lane(
    served: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two such failures used to stop all deliveries to a webhook until the next start."""
    in_unit(served, lambda unit: unit.enqueue("count", payload={"to": "x"}))
    kind = JobKind("count", count, lane="to", lane_width=1)
    work = runner(served, kind)
    real = served.context.database.write

    def broken(*arguments: object, **named: object) -> object:
        manager = real(*arguments, **named)  # type: ignore[arg-type]

        class Failing:
            def __enter__(self) -> object:
                return manager.__enter__()

            def __exit__(self, *_: object) -> None:
                manager.__exit__(Unavailable, Unavailable("no"), None)
                raise Unavailable("the database cannot be used now")

        return Failing()

    with monkeypatch.context() as patched:
        patched.setattr(served.context.database, "write", broken)
        with pytest.raises(Unavailable):
            work._claim(1, ["count"])
    assert len(work._claim(1, ["count"])) == 1


def test_a_clock_that_is_set_back_does_not_stop_jobs(
    served: LocalServer, clock: SteppedClock
) -> None:
    times: list[float] = []

    def tick(job: JobRun) -> None:
        times.append(job.context.clock.now().timestamp())
        with job.finish(again_at=job.context.clock.now() + timedelta(minutes=1)):
            pass

    in_unit(served, lambda unit: unit.enqueue("count", key="timer"))
    for _ in range(3):  # in the process that notices, and in one that has just started
        work = JobRunner(served.context, [JobKind("count", tick)], threads=0)
        for step in (0, 60, -3600, 60, 60, 7200, -7200, 60):
            clock.step(timedelta(seconds=step))
            work.run_due()
        clock.step(timedelta(seconds=-3600))
    assert len(times) == 6 + 5 + 5  # not at the steps back, and once a minute after them


def test_a_server_that_starts_does_not_advance_the_jobs_of_a_living_one(
    served: LocalServer, clock: SteppedClock
) -> None:
    """Its clock is behind, or it has read it before the other server set the time of the job."""
    ran: list[float] = []

    def tick(job: JobRun) -> None:
        ran.append(job.context.clock.now().timestamp())
        with job.finish():
            pass

    due = clock.now() + timedelta(minutes=1)
    in_unit(served, lambda unit: unit.enqueue("count", key="timer", run_at=due))
    clock.step(timedelta(seconds=-3))
    starting = JobRunner(served.context, [JobKind("count", tick)], threads=0)
    starting.run_due()
    clock.step(due - clock.now() - timedelta(seconds=1))
    starting.run_due()
    assert ran == []
    clock.step(timedelta(seconds=1))
    starting.run_due()
    assert ran == [due.timestamp()]


def test_a_clock_that_is_set_back_while_a_job_runs(
    served: LocalServer, clock: SteppedClock
) -> None:
    ran: list[float] = []

    def tick(job: JobRun) -> None:
        again = job.context.clock.now() + timedelta(minutes=1)
        if not ran:
            clock.step(timedelta(hours=-1))
        ran.append(0)
        with job.finish(again_at=again):
            pass

    in_unit(served, lambda unit: unit.enqueue("count", key="timer"))
    work = JobRunner(served.context, [JobKind("count", tick)], threads=0)
    work.run_due()
    clock.step(timedelta(seconds=60))
    work.run_due()
    assert len(ran) == 2


def test_leases_of_the_dead_end_though_the_clock_was_set_back(
    served: LocalServer, clock: SteppedClock
) -> None:
    in_unit(served, lambda unit: unit.enqueue("count"))
    runner(served, JobKind("count", count))._claim(1, ["count"])
    clock.step(timedelta(hours=-1))
    work = JobRunner(served.context, [JobKind("count", count)], threads=0)
    early = work.run_due()
    clock.step(LEASE)

    assert (early, work.run_due()) == (0, 1)


def test_a_living_server_keeps_its_leases_when_the_clock_is_set_back(
    served: LocalServer, clock: SteppedClock
) -> None:
    in_unit(served, lambda unit: unit.enqueue("count"))
    living = runner(served, JobKind("count", count))
    (run,) = living._claim(1, ["count"])
    other = JobRunner(served.context, [JobKind("count", count)], threads=0)
    stolen = 0
    for step in (-3600, 14, 14, 14):
        clock.step(timedelta(seconds=step))
        stolen += other.run_due()
        living._leases.renew()
    with run.finish() as unit:
        add_one(unit)
    assert (stolen, counted(served)) == (0, 1)


def test_jobs_of_a_database_from_before_have_no_time_of_choice(
    served: LocalServer, clock: SteppedClock
) -> None:
    in_unit(served, lambda unit: unit.enqueue("count", run_at=clock.now() + timedelta(seconds=9)))
    with served.context.database.write(None) as session:
        session.execute(update(Job).values(set_at=None))
    work = JobRunner(served.context, [JobKind("count", count)], threads=0)
    clock.step(timedelta(seconds=9))

    assert work.run_due() == 1


def test_names_of_servers(tmp_path: Path) -> None:
    """The same after a restart, another in a copy of the directory, any where none is kept."""
    first, copy, closed = tmp_path / "a", tmp_path / "b", tmp_path / "c"
    name = holder_of(first)
    (copy / "server").mkdir(parents=True)
    (copy / "server" / "runner").write_bytes((first / "server" / "runner").read_bytes())
    closed.write_text("a file")

    assert holder_of(first) == name
    assert holder_of(copy) != name
    assert holder_of(closed) != holder_of(closed)
    (first / "server" / "runner").write_text("torn")
    assert holder_of(first) != holder_of(first) == holder_of(first)


def test_a_server_names_itself_by_its_directory() -> None:
    with local_server() as server:
        held = server.runner._leases
        assert isinstance(held, Leases)
        assert held.holder == holder_of(server.context.settings.data)
        with server.context.database.read(None) as session:
            assert session.execute(select(Job.leased_by)).scalars().all() == []
