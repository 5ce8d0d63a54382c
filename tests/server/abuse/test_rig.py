"""The rig itself: limits are real, and harm is noticed."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path

import pytest

from novaql.server.auth.roles import Role
from tests.server.abuse.conftest import Serving
from tests.support.abuse.rig import MEMORY_BYTES, abuse_rig
from tests.support.servers.forked import fork_context
from tests.support.servers.memory_limit import MemoryLimit, memory_limit

pytestmark = pytest.mark.slow


def take(limit: MemoryLimit, mebibytes: int) -> None:
    limit.enter()
    bytearray(mebibytes << 20)


def test_a_limit_ends_what_exceeds_it() -> None:
    codes = []
    with memory_limit(1 << 30) as limit:
        for mebibytes in (20, 1100):
            process = fork_context().Process(target=take, args=(limit, mebibytes))
            process.start()
            process.join()
            codes.append(process.exitcode)
    assert codes[0] == 0
    assert codes[1] != 0


def test_a_calm_server_harms_no_tenant(tmp_path: Path, serving: Serving) -> None:
    with abuse_rig(tmp_path / "data", **serving._asdict()) as rig:
        with rig.watched() as noticed, rig.client() as client:
            for _ in range(5):
                assert client.post("/v1/novaql", json={"query": "1 + 1"}).status_code == 200
                time.sleep(0.1)
        noticed.assert_unharmed()
        assert 50 << 20 < noticed.peak_bytes < MEMORY_BYTES
        with rig.client(Role.ADMIN) as client:
            found = client.post("/v1/novaql", json={"query": "count(calm)"}).json()
            assert found["result"] == []  # the quiet tenant's


def test_a_server_that_stops_for_a_while_is_noticed(tmp_path: Path) -> None:
    with abuse_rig(tmp_path / "data") as rig, rig.watched() as noticed:
        rig.server.process.send_signal(signal.SIGSTOP)
        resume = threading.Timer(1.5, rig.server.process.send_signal, [signal.SIGCONT])
        resume.start()
        resume.join()
    assert noticed.slowest_s > 1
