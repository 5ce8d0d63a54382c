"""A postmortem from a server of several processes: a worker forwards it to the owner of samples."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import pytest

from tests.support.messages.remote_write_messages import message_of, packed
from tests.support.servers.http_server import WRITE_HEADERS, server_process

pytestmark = pytest.mark.slow


def test_a_postmortem_over_workers(tmp_path: Path) -> None:
    with server_process(tmp_path / "data", "--workers", "2") as server:
        headers = {"Authorization": f"Bearer {server.token}"}
        with httpx.Client(base_url=server.url, headers=headers, timeout=60) as client:
            labels = {
                "__name__": "service_saturation_ratio",
                "service": "api",
                "resource": "disk",
            }
            now = int(time.time())
            before = [((now - 60 * n) * 1000, 0.1) for n in range(20, 0, -1)]
            body = packed(message_of([(labels, before)]))
            write = "/prometheus/api/v1/write"
            assert client.post(write, content=body, headers=WRITE_HEADERS).status_code == 204
            service = {
                "name": "api",
                "owner": "ada",
                "tier": "1",
                "runbooks": ["https://r.example"],
            }
            assert client.post("/v1/services", json=service).status_code == 201
            incident = {"title": "disk is full", "severity": "sev2", "services": ["api"]}
            url = f"/v1/incidents/{client.post('/v1/incidents', json=incident).json()['id']}"
            body = packed(message_of([(labels, [(int(time.time() * 1000) - 500, 0.99)])]))
            assert client.post(write, content=body, headers=WRITE_HEADERS).status_code == 204
            client.post(f"{url}/comments", json={"body": "Root cause: logs were not rotated"})
            assert client.post(f"{url}/resolve", json={"note": "cleaned"}).status_code == 200
            answers = [client.get(f"{url}/postmortem") for _ in range(4)]
            text = client.get(f"{url}/postmortem", headers={"Accept": "text/markdown"}).text

    found = answers[0].json()
    assert {answer.headers["etag"] for answer in answers} == {answers[0].headers["etag"]}
    assert (found["status"], found["missing"]) == ("draft", [])
    assert found["root_cause"]["text"] == "logs were not rotated"
    assert found["root_cause"]["evidence"] == ["timeline:2"]
    (series,) = found["queries"][3]["series"]
    assert series["before"] == 0.1
    assert "logs were not rotated (`timeline:2`)" in text
