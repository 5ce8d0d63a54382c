"""Every way to fail has the same shape, and every answer an id of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from novaql import tsdb
from novaql.server.auth.roles import Role
from novaql.server.openapi.error_models import ErrorEnvelope
from novaql.server.routes import ROUTES, Row
from tests.support.servers.http_server import WRITE_HEADERS, LocalServer, local_server

REQUEST_ID = re.compile(r"req_[0-7][0-9A-HJKMNP-TV-Z]{25}")
GUARDED = [(m, e) for e in ROUTES if e.role is not None for m in e.verbs]
NAMES = [f"{method} {endpoint.path}" for method, endpoint in GUARDED]


@pytest.mark.parametrize(("method", "endpoint"), GUARDED, ids=NAMES)
def test_every_route_refuses_a_missing_and_a_wrong_token(
    server: LocalServer, method: str, endpoint: Row
) -> None:
    path = endpoint.path.replace("{name}", "job")
    right = server.tokens[Role.ADMIN]
    wrong = {"Authorization": f"Bearer {right[:-1]}{'y' if right.endswith('x') else 'x'}"}
    for headers in ({}, wrong, {"Authorization": "Bearer"}, {"Authorization": "Digest x"}):
        answer = server.client.request(method, path, headers=headers)
        assert answer.status_code == 401
        assert "Bearer" in answer.headers["www-authenticate"]
        shown = answer.json()  # SCIM has a shape of its own
        assert shown["status"] == "401" if "scim" in path else "error" in shown


@pytest.mark.slow
def test_every_route_refuses_a_weaker_role(server: LocalServer) -> None:
    tried = []
    for method, endpoint in GUARDED:
        for role in Role:
            if endpoint.role is not None and not role.covers(endpoint.role):
                answer = server.client.request(method, endpoint.path, headers=server.bearer(role))
                assert answer.status_code == 403
                tried.append((method, endpoint.path, role))
    assert ("POST", "/prometheus/api/v1/write", Role.READ_ONLY) in tried


def test_open_routes_are_the_ones_meant_to_be() -> None:
    assert {e.path for e in ROUTES if e.role is None} == {
        "/healthz",
        "/health",  # as in InfluxDB
        "/influx/health",
        "/readyz",
        "/metrics",
        "/v1/openapi.json",
        "/v1/invitations/accept",  # the invitation itself is the permission
        "/v1/audit/exports/{id}/content",  # the signature in the URL is the permission
        "/v1/embeds/{id}/data",  # so it is here
        "/v1/embeds/{id}/page",
        "/v1/synthetics/screenshots/{id}",
        "/v1/oncall/schedules/{id}/ical",  # the secret in the URL
        "/v1/integrations/callback",  # the state in the URL
        "/v1/integrations/webhook/{hook_id}",  # the secret in a header
        "/-/healthy",
        "/-/ready",
        "/prometheus/-/healthy",
        "/prometheus/-/ready",
    }


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nothing", 404, "not_found"),
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/v1/novaql/", 404, "not_found"),
        ("GET", "/v1/novaql", 405, "method_not_allowed"),
        ("DELETE", "/healthz", 405, "method_not_allowed"),
        ("POST", "/v1/novaql", 401, "unauthorized"),
    ],
)
def test_the_frameworks_own_refusals_have_the_envelope(
    server: LocalServer, method: str, path: str, status: int, code: str
) -> None:
    answer = server.client.request(method, path)

    assert answer.status_code == status
    error = ErrorEnvelope.model_validate_json(answer.content).error
    assert error.code == code
    assert error.request_id == answer.headers["x-request-id"]


def test_allow_lists_all_methods(server: LocalServer) -> None:
    assert server.client.put("/prometheus/api/v1/query").headers["allow"] == "GET, HEAD, POST"
    assert server.client.put("/v1/novaql").headers["allow"] == "POST"


def test_the_prometheus_base_has_its_own_shape(server: LocalServer) -> None:
    unknown = server.client.get("/prometheus/api/v1/nothing")
    method = server.client.put("/api/v1/query")

    assert unknown.status_code == 404
    assert unknown.json()["status"] == "error"
    assert unknown.json()["errorType"] == "not_found"
    assert method.status_code == 405
    assert method.json()["status"] == "error"


def test_request_ids_are_fresh_and_never_the_clients(server: LocalServer) -> None:
    asked = {"X-Request-Id": "req_01HXY8N9V2W4M2A0Q9P1B2C3D4"}
    answers = [
        server.client.get("/healthz", headers=asked),
        server.client.get("/nothing", headers=asked),
        server.client.get("/prometheus/api/v1/query", headers=asked),
        server.novaql(query="1"),
    ]
    ids = {answer.headers["x-request-id"] for answer in answers}

    assert len(ids) == len(answers)
    assert asked["X-Request-Id"] not in ids
    assert all(REQUEST_ID.fullmatch(i) for i in ids)


def test_api_versions(server: LocalServer) -> None:
    def post(**headers: str) -> tuple[int, str, str]:
        answer = server.client.post(
            "/v1/novaql", json={"query": "1"}, headers=server.bearer() | headers
        )
        code = answer.json().get("error", {}).get("code", "")
        return answer.status_code, code, answer.headers["api-version"]

    assert post() == (200, "", "2026-04-01")
    assert post(**{"API-Version": "2026-04-01"}) == (200, "", "2026-04-01")
    for wrong in ("2030-01-01", "2026-4-1", "banana", ""):
        assert post(**{"API-Version": wrong}) == (400, "invalid_api_version", "2026-04-01")
    answer = server.client.get("/v1/session", headers=server.bearer() | {"API-Version": "banana"})
    assert answer.json()["error"]["supported_versions"] == ["2026-01-15", "2026-04-01"]


def test_basic_authentication_is_for_the_prometheus_base_only(server: LocalServer) -> None:
    basic = ("anyone", server.tokens[Role.READ_ONLY])

    assert server.client.get("/api/v1/labels", auth=basic).status_code == 200
    assert server.client.post("/v1/novaql", json={"query": "1"}, auth=basic).status_code == 401


class BrokenStore:
    """A memory store whose reads fail in a way nobody foresaw."""

    def __init__(self, store: tsdb.Database) -> None:
        self._store = store

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def label_names(self, *_: object) -> list[str]:
        raise RuntimeError("secret detail")


@pytest.fixture
def broken() -> Iterator[LocalServer]:
    with local_server(BrokenStore(tsdb.memory())) as made:  # type: ignore[arg-type]
        yield made


def test_what_nobody_foresaw_is_a_500_that_tells_nothing(
    broken: LocalServer, caplog: pytest.LogCaptureFixture
) -> None:
    answer = broken.prometheus("labels")

    assert answer.status_code == 500
    assert answer.json()["errorType"] == "internal"
    assert "secret" not in answer.text
    logged = [r for r in caplog.records if r.message == "request failed"]
    assert [r.__dict__["request_id"] for r in logged] == [answer.headers["x-request-id"]]


def test_without_authentication_only_this_machine_is_answered() -> None:
    with local_server(auth=False) as server:
        near = server.client.get("/api/v1/labels")
        far = server.client.get("/api/v1/labels", headers={"Host": "evil.example"})
        write = server.client.post("/api/v1/write", content=b"", headers=WRITE_HEADERS)

    assert near.status_code == 200
    assert far.status_code == 403
    assert write.status_code == 400  # let in, but an empty body is no snappy block


@pytest.mark.parametrize("text", ["yes", "1", "T", "True", "on", ""])
def test_a_truth_value_is_true_or_false(server: LocalServer, text: str) -> None:
    answer = server.client.get(f"/v1/alerts?firing={text}", headers=server.bearer())
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "firing: must be true or false"


def test_refusals_are_in_words_of_the_api(server: LocalServer) -> None:
    body = {"name": "x", "for": "soon", "nope": 1}
    answer = server.client.post("/v1/alert-rules", json=body, headers=server.bearer())
    told = {d["pointer"]: d["message"] for d in answer.json()["error"]["details"]}
    assert told == {
        "/expr": "is required",
        "/for": "must be a duration like 30s, 5m or 1h30m",
        "/nope": "no such field or parameter",
    }
