"""Agents and their ledgers of the first description, over HTTP, against a real process.

As a second tenant, on both databases. The export is verified by the command, without the server.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.support.contract.seed import promised
from tests.support.peers.receiver import Receiver, receiving
from tests.support.servers.forked import novaql
from tests.support.servers.state_databases import KINDS
from tests.support.servers.tenant_client import TenantClient, second_tenant

pytestmark = pytest.mark.slow

OURS = ("/agents",)
SETTINGS = {
    "egress_allow": "127.0.0.0/8",
    "webhook_http": "true",
    "ledger_checkpoint_interval_s": "1",
}
PROPOSAL = {"kind": "deploy.rollback", "title": "Roll back", "content": {"version": "1.41"}}


@pytest.fixture(scope="module", params=KINDS)
def acme(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TenantClient]:
    data = tmp_path_factory.mktemp("agents") / "data"
    with second_tenant(request.param, data, **SETTINGS) as (here, first):
        body = {"name": "bot", "capabilities": ["deploy.rollback"]}
        first.json("POST", "/v1/agents", body, 201)
        yield here


@pytest.fixture(scope="module")
def outside() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def other_user(client: TenantClient, name: str) -> TenantClient:
    """An operator of the tenant, who has accepted an invitation."""
    made = client.json("POST", "/v1/users", {"email": f"{name}@x.io", "role": "operator"}, 201)
    invitation = {"token": made["invitation_token"]}
    accepted = client.json("POST", "/v1/invitations/accept", invitation)
    return TenantClient(client.server, accepted["token"], client.used)


def decision(action: Any, decided: str = "approve") -> dict[str, Any]:
    return {
        "action_id": action["id"],
        "decision": decided,
        "content_hash": action["content_hash"],
    }


def verify(path: Path, export: bytes, vkey: str, *more: str) -> tuple[int, str]:
    path.write_bytes(export)
    done = novaql("ledger", "verify", str(path), "--key", vkey, *more, check=False)
    return done.returncode, done.stdout + done.stderr


def test_an_agent_from_beginning_to_end(
    acme: TenantClient, outside: Receiver, tmp_path: Path
) -> None:
    outside.heard.clear()
    hook = {"url": f"{outside.url}/agents", "events": ["agent.action.*", "ledger.checkpoint"]}
    acme.json("POST", "/v1/webhooks", hook, 201)
    bob, eve = other_user(acme, "bob"), other_user(acme, "eve")
    body = {"name": "bot", "capabilities": ["deploy.rollback"], "policy": {"approvals": 2}}
    agent = acme.json("POST", "/v1/agents", body, 201)
    path = f"/v1/agents/{agent['id']}"
    assert [one["id"] for one in acme.json("GET", "/v1/agents")["data"]] == [agent["id"]]
    action = acme.json("POST", f"{path}/proposals", PROPOSAL, 201)
    acme.json("POST", f"{path}/actions", decision(action), 403)
    changed = {**decision(action), "content_hash": "0" * 64}
    bob.json("POST", f"{path}/actions", changed, 409)
    bob.json("POST", f"{path}/actions", decision(action))
    assert eve.json("POST", f"{path}/actions", decision(action))["status"] == "approved"
    bob.json("POST", f"{path}/actions", decision(action), 409)
    result = {"content_hash": action["content_hash"], "outcome": "executed"}
    acme.json("POST", f"{path}/actions/{action['id']}/result", result)
    assert acme.json("GET", path)["trust"]["totals"]["successes"] == 1

    kinds = [one["kind"] for one in acme.json("GET", f"{path}/audit")["data"]]
    assert kinds[0] == "agent.registered"
    assert kinds[-1] == "agent.action.executed"
    acme.until(lambda: acme.json("GET", f"{path}/audit/checkpoint")["published_size"] == len(kinds))
    acme.until(lambda: len(outside.of("/agents")) >= 4)
    heard = [orjson.loads(one.body) for one in outside.of("/agents")]
    types = {one["type"] for one in heard}
    assert types >= {f"agent.action.{what}" for what in ("queued", "approved", "executed")}
    assert "ledger.checkpoint" in types
    saved = acme.json("GET", f"{path}/audit/checkpoint")
    last = tmp_path / "last"
    last.write_text(saved["checkpoint"], encoding="utf-8")
    acme.json("POST", f"{path}/stop", {"reason": "enough"})
    export = acme.ask("GET", f"{path}/audit/export").content
    keys = [one["vkey"] for one in acme.json("GET", "/v1/ledger/keys")["data"]]
    assert keys == [saved["vkey"]]
    code, said = verify(tmp_path / "e", export, keys[0], "--checkpoint", str(last))
    assert (code, "ok:" in said) == (0, True), said
    lines = export.splitlines(keepends=True)
    cut = b"".join([*lines[:3], *lines[4:]])
    assert verify(tmp_path / "e", cut, keys[0])[0] == 1
    proof = acme.json("GET", f"{path}/audit/proof?index=0")
    assert proof["size"] == saved["size"] + 1
    acme.json("GET", f"{path}/audit/proof?index=0&size=1000", expect=400)


def test_many_at_once_are_one_log(acme: TenantClient, tmp_path: Path) -> None:
    body = {
        "name": "busy",
        "capabilities": ["deploy.rollback"],
        "scope": {"services": ["*"]},
        "policy": {"auto_approve_from": 0.0},
    }
    agent = acme.json("POST", "/v1/agents", body, 201)["id"]
    path = f"/v1/agents/{agent}"
    with ThreadPoolExecutor(16) as pool:
        made = list(
            pool.map(lambda _: acme.json("POST", f"{path}/proposals", PROPOSAL, 201), range(200))
        )
    assert len({one["id"] for one in made}) == 200
    export = acme.ask("GET", f"{path}/audit/export").content
    key = acme.json("GET", "/v1/ledger/keys")["data"][0]["vkey"]
    code, said = verify(tmp_path / "e", export, key)
    assert (code, "ok: 401 entries" in said) == (0, True), said


def test_every_promised_endpoint_was_used(acme: TenantClient) -> None:
    assert promised(*OURS) - acme.used == set()
