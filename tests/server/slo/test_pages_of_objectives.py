"""Pages of the list of objectives, which also lists services without one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.servers.http_server import LocalServer, local_server

INDICATOR = {"type": "ratio", "bad": 'requests_total{code="500"}', "total": "requests_total"}
EVERY = ["api:availability", "api:second", "calm:None", "quiet:None"]


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    """Two services without an objective, and one with two."""
    with local_server() as made:

        def post(path: str, body: dict[str, Any]) -> None:
            assert made.client.post(path, json=body, headers=made.bearer()).status_code == 201

        for name in ("quiet", "api", "calm"):
            post("/v1/services", {"name": name, "owner": "team", "tier": "tier1"})
        for name in ("availability", "second"):
            post("/v1/slo/api", {"name": name, "objective": "0.9", "indicator": INDICATOR})
        yield made


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5])
def test_a_page_has_at_most_limit_entries(server: LocalServer, limit: int) -> None:
    query: dict[str, Any] = {"include_unconfigured": "true", "limit": limit}
    pages: list[list[str]] = []
    while not pages or "cursor" in query:
        answer = server.client.get("/v1/slo", params=query, headers=server.bearer()).json()
        pages.append([f"{one['service']}:{one.get('name')}" for one in answer["data"]])
        query.pop("cursor", None)
        if "next_cursor" in answer:
            query["cursor"] = answer["next_cursor"]
    assert pages == [EVERY[at : at + limit] for at in range(0, len(EVERY), limit)]
