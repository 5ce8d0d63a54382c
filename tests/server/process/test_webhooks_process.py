"""Webhooks of a server that is a process of its own, over real HTTP, with a `kill -9` between."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook as Reference

from tests.support.peers.receiver import Receiver, receiving
from tests.support.servers.http_server import server_process

pytestmark = pytest.mark.slow

SETTINGS = {
    "egress_allow": "127.0.0.0/8",
    "webhook_http": "1",
    "webhook_retry_delays": "1s,1s,1s",
    "rate_per_minute": "0",
}


def wait_for(receiver: Receiver, count: int, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while len(receiver.heard) < count:
        assert time.monotonic() < end, f"{len(receiver.heard)} of {count} messages arrived"
        time.sleep(0.05)


def test_the_five_endpoints_and_a_kill_between(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with receiving() as receiver, ExitStack() as stack:
        with server_process(data, settings=SETTINGS | {"job_threads": "0"}) as first:
            bearer = {"Authorization": f"Bearer {first.token}"}
            client = stack.enter_context(
                httpx.Client(base_url=first.url, headers=bearer, timeout=30)
            )
            body = {"url": receiver.url, "events": ["audit.token.create"]}
            made: dict[str, Any] = client.post("/v1/webhooks", json=body).json()
            caused = client.post("/v1/tokens", json={"name": "ci", "role": "read_only"})
            assert caused.status_code == 201
            first.kill()
        assert receiver.heard == []

        receiver.say(500, 200)
        with server_process(data, settings=SETTINGS) as second:
            client = stack.enter_context(
                httpx.Client(base_url=second.url, headers=bearer, timeout=30)
            )
            wait_for(receiver, 2)
            failed, heard = receiver.heard
            told = Reference(made["secret"]).verify(heard.body, dict(heard.headers))
            assert told["data"]["target"]["id"] == caused.json()["id"]
            assert failed.headers["webhook-id"] == heard.headers["webhook-id"]

            path = f"/v1/webhooks/{made['id']}"
            (listed,) = client.get("/v1/webhooks").json()["data"]
            assert listed["id"] == made["id"]
            rotated = client.post(f"{path}/rotate-secret").json()
            assert rotated["previous_valid_until"] is not None
            tested = client.post(f"{path}/test").json()
            assert (tested["delivered"], tested["status_code"]) == (True, 200)
            last = receiver.heard[-1]
            for secret in (made["secret"], rotated["secret"]):
                Reference(secret).verify(last.body, dict(last.headers))
            assert client.delete(path).status_code == 204
            assert client.get(path).status_code == 404
            assert len(receiver.heard) == 3
            assert second.stop() == 0
