"""Loading the past, going on live, and the whole demo as a process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import pytest

from novaql import query, tsdb
from novaql.server.demo.demo import reachable, welcome
from novaql.server.demo.fleet import INTERVAL_S, METADATA, Fleet
from novaql.server.demo.live import FleetJob, load_history, now_ms

ROOT = Path(__file__).parents[3]


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what} did not happen within {seconds} s"
        time.sleep(0.1)


def test_loading_reports_progress_to_the_end_and_describes_the_metrics() -> None:
    store = tsdb.memory()
    fleet = Fleet(now_ms(), history_s=3 * 3600)
    seen: list[tuple[int, int]] = []
    samples = load_history(fleet, store, lambda done, total: seen.append((done, total)))
    assert [total for _, total in seen] == [fleet.history_steps] * len(seen)
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    assert seen[-1][0] == fleet.history_steps
    assert store.stats().head_samples == samples
    assert METADATA.items() <= store.metadata().items()


def test_a_store_that_ran_the_demo_before_gets_only_what_it_lacks() -> None:
    store = tsdb.memory()
    earlier = now_ms() - 3_600_000
    load_history(Fleet(earlier, history_s=3600), store, lambda _done, _all: None)
    before = store.time_range()
    assert before is not None
    count = load_history(Fleet(now_ms(), history_s=7200), store, lambda _done, _all: None)
    after = store.time_range()
    assert after is not None
    assert after[0] == before[0]
    assert after[1] > before[1]
    per_step = len(Fleet(earlier, history_s=3600).take(1))
    assert count <= (after[1] - before[1]) // (INTERVAL_S * 1000) * (per_step + 3)


def test_the_fleet_goes_on_live_and_stops_when_told() -> None:
    store = tsdb.memory()
    fleet = Fleet(now_ms() - 60_000, history_s=INTERVAL_S)
    job = FleetJob(fleet, store, every_s=0.05)
    job.start()
    wait_for(lambda: store.stats().head_samples > 0, "an append")
    job.stop()
    found = store.time_range()
    assert found is not None
    assert now_ms() - found[1] < 2 * INTERVAL_S * 1000
    up = query("up", store)
    assert np.all(up.values == 1)
    assert len(up) == len(fleet.instances)


def test_the_welcome_names_address_token_and_three_ways_in() -> None:
    text = welcome("http://127.0.0.1:9490", "nova_x", Path("d"), 12345, persistent=True)
    for part in ("http://127.0.0.1:9490/#token=nova_x", "12,345", "novaql query", "curl -s"):
        assert part in text
    assert "from novaql import query" in text
    assert "Authorization" not in welcome(
        "http://127.0.0.1:1", None, Path("d"), 1, persistent=False
    )
    assert reachable("http://0.0.0.0:9490") == "http://127.0.0.1:9490"


@pytest.mark.slow
def test_the_demo_serves_fleet_machine_and_itself_until_sigterm(tmp_path: Path) -> None:
    program = (
        "from novaql.server.demo.demo import run_demo; "
        "from novaql.server.settings import Settings; "
        "run_demo(Settings(port=0))"
    )
    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            lines: list[str] = []
            while not (lines and lines[-1].strip().startswith("Token")):
                lines.append(process.stdout.readline())
                assert lines[-1], "the demo ended before it was ready"
            page = next(line for line in lines if "#token=" in line).split()[-1]
            address, token = page.split("/#token=")
            with httpx.Client(
                base_url=address, headers={"Authorization": f"Bearer {token}"}, timeout=30
            ) as client:

                def jobs() -> set[str]:
                    body = {"query": "count by (job) (up == 1)"}
                    answer = client.post("/v1/novaql", json=body)
                    assert answer.status_code == 200, answer.text
                    return {series["metric"]["job"] for series in answer.json()["result"]}

                wait_for(lambda: jobs() == {"shop", "node", "novaql"}, "a scrape of each job")
                assert client.get("/").status_code == 200
            process.send_signal(signal.SIGTERM)
            rest = process.stdout.read()
            assert process.wait(timeout=30) == 0
            assert "Stopped" in rest
        finally:
            process.kill()
    assert list(tmp_path.iterdir()) == []
