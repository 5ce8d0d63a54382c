"""Two servers of one database: a rejected access token is refreshed once, also with two workers."""

from __future__ import annotations

import base64
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.support.servers.fake_provider import FakeProvider, fake_provider
from tests.support.servers.http_server import server_process
from tests.support.servers.state_databases import postgresql_url

pytestmark = pytest.mark.slow


def post(url: str, token: str, path: str, body: object = None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.post(f"{url}/v1/integrations/fake/{path}", json=body, headers=headers, timeout=120)


def connect(fake: FakeProvider, url: str, token: str) -> None:
    begun = post(url, token, "connect", {"flow": "oauth"}).json()["authorize_url"]
    answer = httpx.get(fake.authorize(begun), timeout=120)
    assert answer.status_code == 200, answer.text


def all_succeed(urls: list[str], token: str) -> None:
    with ThreadPoolExecutor(len(urls)) as pool:
        answers = list(pool.map(lambda url: post(url, token, "test").json(), urls))
    assert [answer.get("ok") for answer in answers] == [True] * len(urls), answers


def settings(fake: FakeProvider, **more: str) -> dict[str, str]:
    return {
        "egress_allow": "127.0.0.0/8",
        "integrations_fake_url": fake.url,
        "integration_sync_interval_s": "0",
        "rate_per_minute": "0",
        **more,
    }


def test_two_servers_refresh_once(tmp_path: Path) -> None:
    with fake_provider() as fake:
        key = base64.b64encode(os.urandom(32)).decode()
        chosen = settings(fake, database_url=postgresql_url(), master_key=key)
        with (
            server_process(tmp_path / "one", settings=chosen) as one,
            server_process(tmp_path / "two", settings=chosen, had_tokens=True) as two,
        ):
            assert one.token is not None
            connect(fake, one.url, one.token)
            fake.expire()
            fake.slow_s = 0.5
            all_succeed([one.url, two.url] * 5, one.token)

    assert (fake.refreshes, fake.replays) == (1, 0)


def test_two_workers_refresh_once(tmp_path: Path) -> None:
    with fake_provider() as fake:
        chosen = settings(fake)
        with server_process(tmp_path / "n", "--workers", "2", settings=chosen) as server:
            assert server.token is not None
            connect(fake, server.url, server.token)
            fake.expire()
            fake.slow_s = 0.5
            all_succeed([server.url] * 10, server.token)

    assert (fake.refreshes, fake.replays) == (1, 0)
