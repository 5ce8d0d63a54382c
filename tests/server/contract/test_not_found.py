"""One 404 code a noun, at every route, for every form of a name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from novaql.server.routes import ROUTES, Row
from tests.support.servers.http_server import LocalServer, local_server

NAMED = [
    (endpoint, method)
    for endpoint in ROUTES
    for method in endpoint.verbs
    if "{" in endpoint.path
    and endpoint.path.startswith("/v1/")
    and endpoint.role is not None
    and "scim" not in endpoint.path
]
PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "http.md").read_text()


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    with local_server() as made:
        yield made


def code(server: LocalServer, endpoint: Row, method: str, name: str) -> tuple[int, Any]:
    path = re.sub(r"\{[^}]*\}", name, endpoint.path)
    body = endpoint.example if endpoint.body is not None else None
    answer = server.client.request(method, path, json=body, headers=server.bearer())
    return answer.status_code, answer.json()["error"]["code"]


@pytest.mark.parametrize(
    ("endpoint", "method"), NAMED, ids=[f"{method} {e.path}" for e, method in NAMED]
)
def test_the_code_of_a_route_does_not_depend_on_the_name(
    server: LocalServer, endpoint: Row, method: str
) -> None:
    found = code(server, endpoint, method, "nope")
    for name in ("%00", "x" * 600, "nope%00"):
        assert code(server, endpoint, method, name) == found
    if found[0] == 404:
        assert f"`{found[1]}`" in PAGE, found


def test_the_page_lists_no_other_codes(server: LocalServer) -> None:
    there = {code(server, endpoint, method, "nope")[1] for endpoint, method in NAMED}
    listed = set(re.findall(r"`(\w+_not_found)`", PAGE))
    assert {one for one in there if one.endswith("_not_found")} <= listed
    source = "".join(path.read_text() for path in Path("server").rglob("*.py"))
    nouns = [one.removesuffix("_not_found") for one in listed]
    assert all(f'"{noun}"' in source or f'"{noun}_not_found"' in source for noun in nouns)
