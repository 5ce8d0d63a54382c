"""A body with tens of thousands of invalid values costs no more than a valid one of its size."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from novaql.server.auth.roles import Role
from novaql.server.errors import MOST_DETAILS, InvalidRequest
from novaql.server.http import bodies
from novaql.server.http.strict_json import parse_json, validate
from novaql.server.query.schema import NovaqlRequest
from tests.support.servers.http_server import LocalServer

pytestmark = pytest.mark.slow

MANY = 40_000
BODIES: dict[str, dict[str, Any]] = {
    "values": {"query": "1", "params": {f"a{n}": None for n in range(MANY)}},
    "texts": {"query": "1", **{f"a{n}": f"a{n + 1}" for n in range(MANY)}},
    "elements": {"query": "1", "params": {"a": [1.5] * MANY}},
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_errors_are_read_in_one_pass(body: dict[str, Any]) -> None:
    began = time.process_time()
    with pytest.raises(InvalidRequest) as found:
        validate(NovaqlRequest, body)
    assert time.process_time() - began < 5
    assert len(found.value.details) <= MOST_DETAILS


@pytest.mark.parametrize("path", ["/v1/novaql", "/v1/novaql/format", "/v1/novaql/why-empty"])
def test_a_large_body_is_not_read_on_the_event_loop(
    server: LocalServer, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    on_loop: list[object] = []

    def seen(body: bytes, parse: Callable[[bytes], Any] = parse_json) -> Any:
        try:
            on_loop.append(asyncio.get_running_loop())
        except RuntimeError:
            on_loop.append(None)
        return parse(body)

    monkeypatch.setattr(bodies, "parse_json", seen)
    answer: httpx.Response = server.client.post(
        path, json=BODIES["values"], headers=server.bearer(Role.READ_ONLY)
    )
    assert answer.status_code == 400
    assert on_loop == [None]
