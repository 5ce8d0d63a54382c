"""The check of answers against the document finds what is not documented."""

from __future__ import annotations

import httpx
import pytest

from tests.support.contract.documented import assert_documented

HEADERS = {
    "X-Request-Id": "req_01HXY8N9V2W4M2A0Q9P1B2C3D4",
    "API-Version": "2026-04-01",
    "Content-Type": "application/json",
}
GRAPH = {"service": "a", "nodes": [], "edges": [], "cycles": [], "truncated": False, "warnings": []}
PATH = "/v1/services/{name}/dependencies"


def test_an_answer_of_the_document_passes() -> None:
    assert_documented("GET", PATH, httpx.Response(200, json=GRAPH, headers=HEADERS))


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (httpx.Response(202, json=GRAPH, headers=HEADERS), "not in the document"),
        (httpx.Response(200, json={**GRAPH, "truncated": 1}, headers=HEADERS), "truncated"),
        (httpx.Response(200, json={}, headers=HEADERS), "required"),
        (httpx.Response(404, json={"detail": "x"}, headers=HEADERS), "error"),
        (httpx.Response(200, text="a,b", headers={**HEADERS, "Content-Type": "text/csv"}), "csv"),
        (httpx.Response(200, json=GRAPH, headers={"API-Version": "x"}), "X-Request-Id"),
    ],
)
def test_what_the_document_does_not_have_is_found(answer: httpx.Response, says: str) -> None:
    with pytest.raises(AssertionError, match=says):
        assert_documented("GET", PATH, answer)


def test_no_body_where_there_is_none() -> None:
    path = "/v1/services/{name}"
    plain = {name: text for name, text in HEADERS.items() if name != "Content-Type"}
    assert_documented("DELETE", path, httpx.Response(204, headers=plain))
    with pytest.raises(AssertionError, match="has a body"):
        assert_documented("DELETE", path, httpx.Response(204, content=b"x", headers=plain))
