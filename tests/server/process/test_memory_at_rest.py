"""A server that is little used holds little memory, once it has loaded what it needs."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.support.servers.http_server import ServerProcess, server_process

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc"),
]
MOST_MIB = 250
RANGE = {"query": "sum by (job) (rate(requests_total[5m]))", "step": "15"}


def resident_mib(server: ServerProcess) -> float:
    for line in Path(f"/proc/{server.process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no VmRSS")


def test_light_use_takes_at_most_250_mib(tmp_path: Path) -> None:
    # A prefix makes it a process of its own: a fork has what the tests have imported.
    with server_process(tmp_path / "store", "--no-auth", prefix=["env"]) as server:
        for number in range(20):
            lines = "".join(
                f'requests_total{{job="{i % 5}",i="{i}"}} {number}\n' for i in range(100)
            )
            url = f"{server.url}/prometheus/api/v1/import/prometheus"
            assert httpx.post(url, content=lines, timeout=60).status_code == 204
            now = time.time()
            asked = {**RANGE, "start": str(now - 3600), "end": str(now)}
            url = f"{server.url}/prometheus/api/v1/query_range"
            assert httpx.get(url, params=asked, timeout=60).status_code == 200
        # Kernels are loaded meanwhile, and unused memory is released after that.
        deadline = time.monotonic() + 300
        while (found := resident_mib(server)) > MOST_MIB and time.monotonic() < deadline:
            time.sleep(1)
    assert found <= MOST_MIB
