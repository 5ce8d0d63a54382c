"""What docs/reference/http.md says of answers, asked of a server."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

import httpx
import pytest

from novaql.server.auth.roles import Role
from novaql.server.routes import ROUTES
from novaql.tsdb.model.matchers import Matcher, MatchOp
from tests.server.conftest import NOW_S
from tests.support.contract.route_walk import Walk
from tests.support.messages.remote_messages import write_2_message
from tests.support.messages.remote_write_messages import packed
from tests.support.servers.http_server import WRITE_2_HEADERS, LocalServer, local_server

LISTS = [
    row
    for row in ROUTES
    if row.answer is not None and "next_cursor" in row.answer.model_fields and row.verbs == ("GET",)
]


@pytest.fixture(scope="module")
def walk() -> Iterator[Walk]:
    with local_server() as server:
        made = Walk(server, server.bearer()["Authorization"].split()[1])
        made.make()
        yield made


@pytest.fixture(scope="module")
def server(walk: Walk) -> LocalServer:
    return walk.server


def test_start_timestamps_of_remote_write_are_stored(server: LocalServer) -> None:
    at = NOW_S * 1000
    message = write_2_message([({"__name__": "started"}, [(at, 1.0), (at + 1000, 2.0)])])
    for sample in message.timeseries[0].samples:
        sample.start_timestamp = at - 5000
    answer = server.client.post(
        "/prometheus/api/v1/write",
        content=packed(message),
        headers=WRITE_2_HEADERS | server.bearer(Role.OPERATOR),
    )
    assert answer.status_code == 204
    found = server.store.select([Matcher("__name__", MatchOp.EQUAL, "started")], at, at + 1000)
    (read,) = found.views()
    assert read.starts is not None
    assert read.starts.tolist() == [at - 5000] * 2


@pytest.mark.parametrize("row", LISTS, ids=[row.path for row in LISTS])
def test_lists_have_no_entity_tag(walk: Walk, row: object) -> None:
    path = walk.path_of(row)  # type: ignore[arg-type]
    if path is None:
        pytest.skip("nothing of this kind was made")
    for given in ({}, {"If-None-Match": "*"}):
        answer = walk.server.client.get(path, headers=walk.server.bearer() | given)
        assert (answer.status_code, "etag" in answer.headers) == (200, False)


def test_the_base_of_prometheus_ignores_other_parameters_and_uses_the_first(
    server: LocalServer,
) -> None:
    query = "query=1&query=2&no_such=x&time=7&time=x"
    answer = server.client.get("/api/v1/query", params=query, headers=server.bearer(Role.READ_ONLY))
    assert answer.json()["data"]["result"] == [7, "1"]


def test_if_match_counts_before_the_version_in_the_body(walk: Walk) -> None:
    hook = walk.request("GET", f"/v1/webhooks/{walk.made['/v1/webhooks']['id']}").json()
    path, version = f"/v1/webhooks/{hook['id']}", hook["version"]

    def change(if_match: int, in_body: int) -> int:
        headers = walk.server.bearer() | {"If-Match": f'"{if_match}"'}
        body = {"description": "x", "version": in_body}
        return walk.server.client.patch(path, json=body, headers=headers).status_code

    assert change(version + 1, version) == 409
    assert change(version, version + 1) == 200


@pytest.mark.parametrize("if_match", ["x", "*", '"1', "-1", "1-g", '"1", "2"'])
@pytest.mark.parametrize("new", [True, False])
def test_a_malformed_if_match_is_refused_also_where_nothing_is_changed(
    walk: Walk, if_match: str, new: bool
) -> None:
    path = "/v1/dashboards" if new else f"/v1/webhooks/{walk.made['/v1/webhooks']['id']}"
    body = {"title": "t", "panels": []} if new else {"description": "y"}
    answer = walk.server.client.request(
        "POST" if new else "PATCH",
        path,
        json=body,
        headers=walk.server.bearer() | {"If-Match": if_match},
    )
    assert answer.status_code == 400, answer.text


@pytest.mark.parametrize("tag", ['"x"', '"1-g"', 'W/"33a64df5"', '"0"'])
def test_an_entity_tag_of_no_version_is_stale(walk: Walk, tag: str) -> None:
    path = f"/v1/webhooks/{walk.made['/v1/webhooks']['id']}"
    headers = walk.server.bearer() | {"If-Match": tag}
    answer = walk.server.client.patch(path, json={"description": "y"}, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "version_conflict")


def test_a_body_may_be_compressed_with_gzip(walk: Walk) -> None:
    content = gzip.compress(b'{"title": "packed", "panels": []}')
    headers = {**walk.server.bearer(), "Content-Type": "application/json"}

    def post(encoding: str, sent: bytes) -> httpx.Response:
        given = {**headers, "Content-Encoding": encoding}
        return walk.server.client.post("/v1/dashboards", content=sent, headers=given)

    made = post("gzip", content)
    assert (made.status_code, made.json()["title"]) == (201, "packed")
    assert [post("gzip", sent).status_code for sent in (content[:-9], b"{}")] == [400, 400]
    assert post("br", content).status_code == 415


def test_shapes_of_errors(server: LocalServer) -> None:
    bearer = server.bearer()
    get, post = server.client.get, server.client.post
    nova = get("/v1/webhooks/none", headers=bearer)
    prometheus = get("/api/v1/query", headers=bearer)
    scim = get("/scim/v2/Users/none", headers=bearer)
    influx = post("/write", content="cpu\n", headers=bearer)
    assert set(nova.json()) == {"error"}
    assert set(prometheus.json()) == {"status", "errorType", "error"}
    assert scim.json()["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
    assert set(influx.json()) == {"code", "message", "error"}
    for answer in (nova, prometheus, scim, influx):
        assert answer.status_code in (400, 404)
        assert answer.headers["x-request-id"].startswith("req_")


def test_another_method_is_a_405_that_names_those_of_the_path(server: LocalServer) -> None:
    for path, methods in (
        ("/v1/webhooks", {"GET", "HEAD", "POST"}),
        ("/v1/novaql", {"POST"}),
        ("/healthz", {"GET", "HEAD"}),
        ("/api/v1/query", {"GET", "HEAD", "POST"}),
    ):
        for method in ("PUT", "OPTIONS", "TRACE"):
            answer = server.client.request(method, path, headers=server.bearer())
            assert answer.status_code == 405, (method, path)
            assert set(answer.headers["allow"].split(", ")) == methods


def test_errors_of_a_trial_point_into_its_body(server: LocalServer) -> None:
    rule = {"name": "n", "expr": "up == 0", "labels": {"__x": "1"}}
    body = {"rule": rule, "start": "2026-04-01T12:00:00Z", "end": "2026-04-01T12:01:00Z"}
    answer = server.client.post("/v1/alert-rules/test", json=body, headers=server.bearer())
    assert answer.status_code == 400
    (detail,) = answer.json()["error"]["details"]
    assert detail["pointer"] == "/rule/labels/__x"
    assert answer.json()["error"]["message"].startswith("/rule/labels/__x: ")


def test_a_field_named_as_its_member_of_a_union_is_told_from_it(server: LocalServer) -> None:
    indicator = {"type": "threshold", "expr": "", "op": "<", "threshold": 1.5}
    body = {"objective": "0.99", "indicator": indicator}
    answer = server.client.post("/v1/slo/any", json=body, headers=server.bearer())
    assert [d["pointer"] for d in answer.json()["error"]["details"]] == ["/indicator/expr"]
