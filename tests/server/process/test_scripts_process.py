"""Script steps of a server with two workers, with the real executors: for the tenant that the
configuration names, and after a kill."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from novaql.server.executors.isolation import tool
from tests.support.executors.shells import NEEDS_BWRAP, written
from tests.support.servers.http_server import server_process
from tests.support.servers.state_databases import KINDS, postgresql_url
from tests.support.servers.tenant_client import TenantClient, admin

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(tool("bwrap") is None, reason=NEEDS_BWRAP),
]

CONFIG = {
    "max_runs": 2,
    "executors": {
        "shell": {
            "command": ["/bin/bash", "-c", "{code}", "shell", "{value}"],
            "parameters": {
                "code": {"pattern": "(?s).*", "max_bytes": 4096},
                "value": {"pattern": ".*"},
            },
            "tenants": ["acme"],
        }
    },
}
ENDED = ("succeeded", "failed", "timed_out", "cancelled", "abandoned", "rejected", "expired")
EVIL = "$(id); `id` ' \" && exit 3"


def running(mark: str) -> int:
    found = 0
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += f"sleep\0{mark}\0".encode() in path.read_bytes()
        except OSError:
            continue
    return found


def runbook(client: TenantClient, name: str, code: str) -> Any:
    values = {"code": code, "value": "${value}"}
    step = {"name": "run", "type": "script", "executor": "shell", "parameters": values}
    body = {"name": name, "steps": [step], "parameters": [{"name": "value", "default": "none"}]}
    return client.json("POST", "/v1/runbooks", body, 201)


def ended(client: TenantClient, run_id: str) -> Any:
    def look() -> Any:
        run = client.json("GET", f"/v1/runs/{run_id}")
        return run if run["status"] in ENDED else None

    return client.until(look)


@pytest.mark.parametrize("kind", KINDS)
def test_scripts_with_two_workers(tmp_path: Path, kind: str) -> None:
    (tmp_path / "configuration").mkdir()
    settings = {
        "executors_file": str(written(tmp_path / "configuration", CONFIG)),
        "rate_per_minute": "0",
    }
    if kind == "postgresql":
        settings["database_url"] = postgresql_url()
    data = tmp_path / "data"
    mark = str(100_000 + os.getpid())
    with server_process(data, "--workers", "2", settings=settings) as server:
        first = TenantClient(server, server.token or admin(data, settings, "bootstrap"))
        token = admin(data, settings, "tenant", "acme", "--email", "ada@acme.example")
        acme = TenantClient(server, token)
        if not acme.json("GET", "/v1/runbooks/executors")["data"][0]["available"]:
            pytest.skip("this machine has no isolation")

        assert first.json("GET", "/v1/runbooks/executors")["data"] == []
        values = {"code": "true", "value": "x"}
        step = {"name": "run", "type": "script", "executor": "shell", "parameters": values}
        refused = first.json("POST", "/v1/runbooks", {"name": "mine", "steps": [step]}, 422)
        assert refused["error"]["code"] == "executor_unknown"

        many = runbook(acme, "many", 'printf "<%s>" "$1"; cat /proc/1/environ >&2; exit 0')
        path, asked = f"/v1/runbooks/{many['id']}/run", {"parameters": {"value": EVIL}}
        with ThreadPoolExecutor(6) as pool:
            made = list(pool.map(lambda _: acme.json("POST", path, asked, 202), range(6)))
        for one in made:
            run = ended(acme, one["run_id"])
            assert run["status"] == "succeeded", run
            assert run["steps"][0]["output"].startswith(f"<{EVIL}>")
            assert "NOVAQL" not in run["steps"][0]["output"]

        slow = runbook(acme, "slow", f"sleep {mark} & sleep {mark}")
        path = f"/v1/runbooks/{slow['id']}/run"
        cancelled = acme.json("POST", path, {}, 202)["run_id"]
        acme.until(lambda: running(mark))
        acme.json("POST", f"/v1/runs/{cancelled}/cancel")
        assert ended(acme, cancelled)["status"] == "cancelled"
        assert running(mark) == 0

        killed = acme.json("POST", path, {}, 202)["run_id"]
        acme.until(lambda: running(mark))
        server.kill()
    end = time.monotonic() + 30
    while running(mark):
        assert time.monotonic() < end, "the script has not ended with its server"
        time.sleep(0.1)
    with server_process(data, settings=settings, had_tokens=True) as server:
        assert ended(TenantClient(server, token), killed)["status"] == "abandoned"
