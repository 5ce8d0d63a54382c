"""A client reads its own writes at once, whichever worker answers, over both databases."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import pytest

from tests.support.messages.remote_write_messages import message_of, packed
from tests.support.servers import patiently
from tests.support.servers.http_server import WRITE_HEADERS, server_process
from tests.support.servers.state_databases import KINDS, postgresql_url

pytestmark = pytest.mark.slow

UNLIMITED = {"rate_per_minute": "0", "rate_per_day": "0", "workers": "2", "slo_cache_ttl_s": "600"}
SIGNAL = {"traffic": "sum(written)"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_write_shows_in_the_next_answer(tmp_path: Path, kind: str) -> None:
    settings = dict(UNLIMITED)
    if kind == "postgresql":
        settings["database_url"] = postgresql_url()
    with server_process(tmp_path / "data", settings=settings) as server:
        headers = {"Authorization": f"Bearer {server.token}"}

        def ask(method: str, path: str, **more: object) -> httpx.Response:
            """By a connection of its own, so by any worker."""
            given = {**headers, **more.pop("headers", {})}  # type: ignore[dict-item]
            answer = httpx.request(
                method,
                f"{server.url}{path}",
                headers=given,
                timeout=60,
                verify=patiently.TLS,
                **more,  # type: ignore[arg-type]
            )
            assert answer.is_success, answer.text
            return answer

        body = {"name": "api", "owner": "o0", "tier": "1", "signals": SIGNAL}
        ask("POST", "/v1/services", json=body)
        for number in range(1, 21):
            version = ask("GET", "/v1/services/api").json()["version"]
            change = {"version": version, "owner": f"o{number}"}
            ask("PATCH", "/v1/services/api", json=change)
            assert ask("GET", "/v1/services/api").json()["owner"] == f"o{number}"
            listed = ask("GET", "/v1/services").json()["data"]
            assert [row["owner"] for row in listed] == [f"o{number}"]
            at = time.time_ns() // 1_000_000
            message = packed(message_of([({"__name__": "written"}, [(at, float(number))])]))
            ask("POST", "/api/v1/write", content=message, headers=WRITE_HEADERS)
            health = ask("GET", "/v1/services/api/health").json()
            assert health["signals"]["traffic"]["value"] == number
