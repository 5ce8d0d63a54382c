"""Runs begin on time, never overlap, do not delay others, and end when their check is deleted."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from sqlalchemy import select

from novaql.server.clock import SteppedClock
from novaql.server.db.tables import Job
from novaql.server.synthetics.model import State, Streak, first_time, next_time, state_of, uptime
from tests.server.synthetics.conftest import OPEN, Lab
from tests.support.peers.probed import answering, head_of, http, probed
from tests.support.servers.http_server import local_server
from tests.support.servers.relay_rig import HANG_S, until

AT = datetime(2026, 4, 1, 12, tzinfo=UTC)
MINUTE = 60_000


def test_next_times() -> None:
    def after(seconds: float, jitter: float = 0.0, chance: float = 0.0) -> float:
        now = AT + timedelta(seconds=seconds)
        return (next_time(AT, MINUTE, now, jitter, chance) - AT).total_seconds()

    assert after(0) == 60
    assert after(59.999) == 60
    assert after(60) == 120
    assert after(3601) == 3660  # an hour without the server: no burst
    assert after(0, 0.1, 0.5) == 63
    assert after(63, 0.1, 1.0) == 126
    assert after(-5) == 0  # before the first time
    assert after(-3600) == -3540  # the clock was set back
    firsts = {first_time(f"syn_{n}", "local", AT, MINUTE, 10_000) for n in range(50)}
    assert len(firsts) > 40
    assert all(AT <= one < AT + timedelta(seconds=10) for one in firsts)


def test_streaks_and_states() -> None:
    streak = Streak(0, 0, False)
    said = []
    for success in (False, False, False, True, False, True, True):
        streak = streak.after(success=success, failure_threshold=2, success_threshold=2)
        said.append(streak.failing)
    assert said == [False, True, True, True, True, True, False]
    assert state_of([], 0, 1) is State.UNKNOWN
    assert state_of([False, False], 2, 2) is State.UP
    assert state_of([True, False, False], 3, 2) is State.DEGRADED
    assert state_of([True, True, False], 3, 2) is State.DOWN
    assert uptime(0, 0) is None
    assert uptime(2, 3) == 2 / 3


def test_no_burst_after_downtime(lab: Lab) -> None:
    with probed(answering(http())) as peer:
        check = lab.check(peer.url)
        lab.pass_time(60)
        assert peer.connections == 1
        lab.pass_time(3600, 3600)
        assert peer.connections == 2
        lab.pass_time(60)
        assert peer.connections == 3
    assert len(lab.results(check)) == 3


@pytest.mark.slow
def test_checks_run_on_after_the_clock_was_set_back(lab: Lab) -> None:
    with probed(answering(http())) as peer:
        lab.check(peer.url)
        lab.pass_time(180)
        assert peer.connections == 3
        lab.clock.step(-timedelta(hours=1))
        lab.pass_time(300)
    assert 7 <= peer.connections <= 8


@pytest.mark.slow
def test_jitter_delays_within_its_share() -> None:
    options = {**OPEN, "synthetic_jitter": 0.5}

    clock = SteppedClock(AT)
    with local_server(clock=clock, **options) as server, probed(answering(http())) as peer:
        lab = Lab(server, clock)
        check = lab.check(peer.url)
        for _ in range(400):
            lab.pass_time(1)
        began = [datetime.fromisoformat(one["started_at"]) for one in reversed(lab.results(check))]
    gaps = [(b - a).total_seconds() for a, b in pairwise(began)]
    assert all(30 <= gap <= 91 for gap in gaps)
    assert len(set(gaps)) > 2


class Killed(BaseException):
    """The process ends here."""


def test_a_run_of_a_process_that_was_killed_is_lost_and_the_next_one_is_on_time(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise Killed

    with probed(answering(http())) as peer:
        check = lab.check(peer.url)
        with monkeypatch.context() as patch:
            patch.setattr("novaql.server.synthetics.jobs.execute", killed)
            with pytest.raises(Killed):
                lab.pass_time(60)
        assert lab.result(check)["status"] == "running"
        lab.pass_time(60)
    assert [one["status"] for one in lab.results(check)] == ["success", "runner_lost"]
    lab.clock.step(timedelta(seconds=1))
    numbers = lab.get(f"/synthetics/{check}/uptime")
    assert (numbers["uptime"], numbers["excluded"]["runner_lost"]) == (1.0, 1)


@pytest.mark.slow
def test_slow_checks_do_not_delay_others_and_do_not_overlap() -> None:
    """With threads, on the machine's clock: a fast check runs on while ten slow ones do not end."""
    gate = threading.Event()
    lock = threading.Lock()
    asked: Counter[str] = Counter()

    def slow(sock: socket.socket) -> None:
        target = head_of(sock).split()[1].decode()
        with lock:
            asked[target] += 1
        gate.wait(HANG_S)
        sock.sendall(http())

    options = {**OPEN, "job_threads": 2, "min_synthetic_interval_s": 0.5}
    with (
        probed(slow) as slow_peer,
        probed(answering(http())) as fast_peer,
        local_server(**options) as server,
    ):
        lab = Lab(server, SteppedClock(AT))
        checks = [
            lab.check(f"{slow_peer.url}/{n}", name=f"slow{n}", interval="1s", timeout="60s")
            for n in range(10)
        ]
        fine = lab.check(fast_peer.url, name="fast", interval="1s")
        until(lambda: len(asked) > 2)
        already = fast_peer.connections
        until(lambda: fast_peer.connections >= already + 5)
        for check in checks:
            assert len(lab.results(check)) <= 1
        assert set(asked.values()) == {1}
        assert len(lab.results(fine)) >= 5
        gate.set()


@pytest.mark.slow
def test_deleting_a_check_stops_its_run() -> None:
    ended = threading.Event()

    def silent(sock: socket.socket) -> None:
        head_of(sock)
        if sock.recv(1) == b"":
            ended.set()

    with probed(silent) as peer, local_server(**{**OPEN, "job_threads": 2}) as server:
        lab = Lab(server, SteppedClock(AT))
        check = lab.check(peer.url, timeout="30s")
        lab.post(f"/synthetics/{check}/run", {}, 202)
        end = time.monotonic() + 10
        while not peer.connections and time.monotonic() < end:
            time.sleep(0.05)
        assert lab.ask("DELETE", f"/synthetics/{check}").status_code == 204
        assert ended.wait(5)
        assert {one["status"] for one in lab.results(check)} == {"cancelled"}
        with server.context.database.read(None) as session:
            kinds = {job.kind for job in session.execute(select(Job)).scalars()}
        assert "synthetics.probe" not in kinds
