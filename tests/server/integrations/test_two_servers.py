"""Two servers over one PostgreSQL: a rejected access token is refreshed once."""

from __future__ import annotations

import base64
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.support.servers.fake_provider import fake_provider
from tests.support.servers.http_server import server_process
from tests.support.servers.state_databases import postgresql_url

pytestmark = pytest.mark.slow


def test_two_servers_refresh_once(tmp_path: Path) -> None:
    with fake_provider() as fake:
        settings = {
            "database_url": postgresql_url(),
            "master_key": base64.b64encode(os.urandom(32)).decode(),
            "egress_allow": "127.0.0.0/8",
            "integrations_fake_url": fake.url,
            "rate_per_minute": "0",
        }
        with (
            server_process(tmp_path / "one", settings=settings) as one,
            server_process(tmp_path / "two", settings=settings, had_tokens=True) as two,
        ):
            headers = {"Authorization": f"Bearer {one.token}"}

            def post(url: str, path: str, body: object = None) -> httpx.Response:
                address = f"{url}/v1/integrations/fake/{path}"
                return httpx.post(address, json=body, headers=headers, timeout=60)

            begun = post(one.url, "connect", {"flow": "oauth"}).json()["authorize_url"]
            back = fake.authorize(begun)
            assert httpx.get(back, timeout=30).status_code == 200
            fake.expire()
            fake.slow_s = 0.5
            with ThreadPoolExecutor(10) as pool:
                urls = [(one.url, two.url)[number % 2] for number in range(10)]
                answers = list(pool.map(lambda url: post(url, "test").json(), urls))

    assert [answer["ok"] for answer in answers] == [True] * 10, answers
    assert (fake.refreshes, fake.replays) == (1, 0)
