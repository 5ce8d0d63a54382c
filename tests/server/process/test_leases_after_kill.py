"""Three times `kill -9` while messages are on their way: they go on as soon as the server is back.

Leases last an hour here. So whatever arrives does so because the server that starts again takes
back what its predecessor held.
"""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import pytest

from tests.support.peers.receiver import Receiver, receiving
from tests.support.servers.http_server import server_process
from tests.support.servers.state_databases import KINDS, postgresql_url

pytestmark = pytest.mark.slow

SETTINGS = {
    "egress_allow": "127.0.0.0/8",
    "webhook_http": "true",
    "webhook_retry_delays": "1s,1s,1s,1s",
    "rate_per_minute": "0",
    "job_lease_s": "3600",
}
EVENTS = 3


def _attempts(receiver: Receiver) -> dict[str, int]:
    found: dict[str, int] = {}
    for heard in receiver.of("/slow"):
        name = heard.headers["webhook-id"]
        found[name] = found.get(name, 0) + 1
    return found


def _wait_for_another(receiver: Receiver, before: int, seconds: float = 100) -> None:
    end = time.monotonic() + seconds
    while len(receiver.of("/slow")) <= before:
        assert time.monotonic() < end, "no message was sent again"
        time.sleep(0.02)


@pytest.mark.parametrize("kind", KINDS)
def test_messages_go_on_after_three_kills(tmp_path: Path, kind: str) -> None:
    settings = dict(SETTINGS)
    if kind == "postgresql":
        settings["database_url"] = postgresql_url()
    data = tmp_path / "data"
    token, path = None, ""
    with receiving() as receiver:
        for kill in range(4):
            before = len(receiver.of("/slow"))
            with server_process(data, settings=settings, had_tokens=kill > 0) as server:
                token = token or server.token
                bearer = {"Authorization": f"Bearer {token}"}
                with httpx.Client(base_url=server.url, headers=bearer, timeout=30) as client:
                    if kill == 0:
                        body = {"url": f"{receiver.url}/slow", "events": ["audit.token.create"]}
                        webhook = client.post("/v1/webhooks", json=body).json()
                        path = f"/v1/webhooks/{webhook['id']}/deliveries"
                        for number in range(EVENTS):
                            made = {"name": f"t{number}", "role": "read_only"}
                            assert client.post("/v1/tokens", json=made).status_code == 201
                    _wait_for_another(receiver, before)
                    if kill < 3:  # an attempt is on its way: its lease is held
                        server.kill()
                        continue
                    receiver.hold.set()
                    end = time.monotonic() + 100
                    while True:
                        listed = client.get(path).json()["data"]
                        if [one["status"] for one in listed] == ["delivered"] * EVENTS:
                            break
                        assert time.monotonic() < end, listed
                        time.sleep(0.1)
        assert len(_attempts(receiver)) == EVENTS
