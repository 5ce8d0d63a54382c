"""Runbooks of the first description, over HTTP, against a real process, on both databases.

As a second tenant. 200 runs of an agent at once, and kills in the middle of steps.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.contract.seed import promised
from tests.support.peers.receiver import Receiver, receiving
from tests.support.servers.forked import novaql
from tests.support.servers.http_server import server_process
from tests.support.servers.runbook_rig import WAIT, http, query
from tests.support.servers.state_databases import KINDS, postgresql_url
from tests.support.servers.tenant_client import TenantClient, second_tenant

pytestmark = pytest.mark.slow

OURS = ("/runbooks",)
SETTINGS = {"egress_allow": "127.0.0.0/8", "webhook_http": "true", "rate_per_minute": "0"}
ENDED = ("succeeded", "failed", "timed_out", "cancelled", "abandoned", "rejected", "expired")


@pytest.fixture(scope="module", params=KINDS)
def acme(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TenantClient]:
    data = tmp_path_factory.mktemp("runbooks") / "data"
    with second_tenant(request.param, data, **SETTINGS) as (here, first):
        first.json("POST", "/v1/runbooks", {"name": "theirs", "steps": [WAIT]}, 201)
        yield here


@pytest.fixture(scope="module")
def outside() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def ended(client: TenantClient, run_id: str) -> Any:
    def look() -> Any:
        run = client.json("GET", f"/v1/runs/{run_id}")
        return run if run["status"] in ENDED else None

    return client.until(look)


def operator(client: TenantClient, name: str) -> TenantClient:
    made = client.json("POST", "/v1/users", {"email": f"{name}@x.io", "role": "operator"}, 201)
    invitation = {"token": made["invitation_token"]}
    accepted = client.json("POST", "/v1/invitations/accept", invitation)
    return TenantClient(client.server, accepted["token"], client.used)


def test_a_runbook_from_beginning_to_end(acme: TenantClient, outside: Receiver) -> None:
    outside.heard.clear()
    hook = {"url": f"{outside.url}/events", "events": ["runbook.run.*"]}
    acme.json("POST", "/v1/webhooks", hook, 201)
    bob = operator(acme, "bob")
    acme.json("POST", "/v1/services", {"name": "api", "owner": "o", "tier": "t"}, 201)
    steps = [query("vector(1)"), {**WAIT, "duration": "100ms"}, http(f"{outside.url}/restart")]
    policy = {"approvals": 1}
    body = {"name": "restart", "service": "api", "steps": steps, "approval_policy": policy}
    runbook = acme.json("POST", "/v1/runbooks", body, 201)
    assert acme.json("GET", "/v1/runbooks?service=api")["data"] == [runbook]
    path = f"/v1/runbooks/{runbook['id']}"
    made = acme.json("POST", f"{path}/run", {}, 202)
    run = acme.json("GET", f"/v1/runs/{made['run_id']}")
    decision = {"decision": "approve", "content_hash": run["content_hash"]}
    acme.json("POST", f"/v1/runs/{run['id']}/decision", decision, 403)
    bob.json("POST", f"/v1/runs/{run['id']}/decision", decision)
    assert ended(acme, run["id"])["status"] == "succeeded"
    assert len(outside.of("/restart")) == 1
    assert [one["id"] for one in acme.json("GET", f"{path}/runs")["data"]] == [run["id"]]
    acme.until(lambda: len(outside.of("/events")) >= 6)
    acme.ask("DELETE", path, expect=204)


def test_200_runs_of_an_agent_at_once_are_one_log(acme: TenantClient, tmp_path: Path) -> None:
    agent_body = {
        "name": "busy",
        "capabilities": ["runbook.run"],
        "scope": {"services": ["*"]},
        "policy": {"auto_approve_from": 0.0},
    }
    agent = acme.json("POST", "/v1/agents", agent_body, 201)["id"]
    body = {"name": "many", "steps": [query("vector(1)")]}
    path = f"/v1/runbooks/{acme.json('POST', '/v1/runbooks', body, 201)['id']}"
    with ThreadPoolExecutor(16) as pool:
        asked = {"agent_id": agent}
        made = list(pool.map(lambda _: acme.json("POST", f"{path}/run", asked, 202), range(200)))
    assert len({one["run_id"] for one in made}) == 200
    for one in made:
        assert ended(acme, one["run_id"])["status"] == "succeeded"
    export = acme.ask("GET", f"/v1/agents/{agent}/audit/export").content
    key = acme.json("GET", "/v1/ledger/keys")["data"][0]["vkey"]
    file = tmp_path / "export"
    file.write_bytes(export)
    done = novaql("ledger", "verify", str(file), "--key", key, check=False)
    # Registered; each run is queued, approved, started, has a step, and is executed.
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok: 1001 entries" in done.stdout


def test_every_promised_endpoint_was_used(acme: TenantClient) -> None:
    assert promised(*OURS) - acme.used == set()


@pytest.mark.parametrize("kind", KINDS)
def test_a_kill_in_the_middle_of_a_step(tmp_path: Path, kind: str) -> None:
    """The interrupted request is sent again only for the idempotent step; both runs end."""
    settings = dict(SETTINGS)
    if kind == "postgresql":
        settings["database_url"] = postgresql_url()
    data = tmp_path / "data"
    with receiving() as receiver:
        receiver.hold.clear()
        with server_process(data, settings=settings) as server:
            bearer = {"Authorization": f"Bearer {server.token}"}
            runs = {}
            with httpx.Client(base_url=server.url, headers=bearer, timeout=30) as client:
                for name, harmless in (("once", False), ("again", True)):
                    step = http(f"{receiver.url}/slow", idempotent=harmless)
                    body = {"name": name, "steps": [step, http(f"{receiver.url}/{name}")]}
                    made = client.post("/v1/runbooks", json=body).json()["id"]
                    started = client.post(f"/v1/runbooks/{made}/run", json={}).json()
                    runs[name] = started["run_id"]
                end = time.monotonic() + 60
                while len(receiver.of("/slow")) < 2:
                    assert time.monotonic() < end
                    time.sleep(0.02)
            server.kill()
        receiver.hold.set()
        with (
            server_process(data, settings=settings, had_tokens=True) as server,
            httpx.Client(base_url=server.url, headers=bearer, timeout=30) as client,
        ):
            end = time.monotonic() + 60
            while True:
                found = {name: client.get(f"/v1/runs/{key}").json() for name, key in runs.items()}
                if all(one["status"] in ENDED for one in found.values()):
                    break
                assert time.monotonic() < end, found
                time.sleep(0.1)
    assert {name: one["status"] for name, one in found.items()} == {
        "once": "abandoned",
        "again": "succeeded",
    }
    assert found["again"]["steps"][0]["attempt"] == 2
    assert len(receiver.of("/slow")) == 3
    assert (len(receiver.of("/once")), len(receiver.of("/again"))) == (0, 1)
