"""What holds for the whole API: each pitfall of its conventions as a test, on both databases."""

from __future__ import annotations

import gzip
import json
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from novaql.server.auth.bootstrap import add_tenant
from novaql.server.auth.roles import Role
from novaql.server.clock import SteppedClock
from novaql.server.ids import new_id
from novaql.server.routes import ROUTES
from tests.support.servers.http_server import LocalServer, local_server, token_of
from tests.support.servers.state_databases import KINDS, state_database

REQUEST_ID = re.compile(r"^req_[0-7][0-9A-HJKMNP-TV-Z]{25}$")
SERVICE = {"name": "api", "owner": "team", "tier": "tier1"}
LISTS = [
    e.path
    for e in ROUTES
    if e.verbs == ("GET",)
    and e.query is not None
    and "limit" in e.query.model_fields
    and "{" not in e.path
]


@pytest.fixture(scope="module", params=KINDS)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalServer]:
    folder = tmp_path_factory.mktemp("conventions")
    with (
        state_database(request.param, folder) as database,
        local_server(database=database, data=folder) as made,
    ):
        yield made


@pytest.fixture
def tenant(server: LocalServer) -> str:
    """An administrator's token of a tenant of its own."""
    database, clock = server.context.database, server.context.clock
    made = add_tenant(database, clock, new_id("name"))
    return token_of(database, made.id, Role.ADMIN, f"{made.id}@example.com")


def ask(
    server: LocalServer, token: str, method: str, path: str, body: Any = None, **headers: str
) -> httpx.Response:
    given = {"Authorization": f"Bearer {token}"} | headers
    return server.client.request(method, path, json=body, headers=given)


def error_of(answer: httpx.Response) -> dict[str, Any]:
    error: dict[str, Any] = answer.json()["error"]
    assert error["request_id"] == answer.headers["x-request-id"]
    return error


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("query", ["limit=201", "limit=0", "limit=abc", "limit=50&limit=60"])
def test_01_limits_that_are_none(server: LocalServer, tenant: str, path: str, query: str) -> None:
    answer = ask(server, tenant, "GET", f"{path}?{query}")

    assert answer.status_code == 400
    assert error_of(answer)["code"] == "validation_error"


@pytest.mark.parametrize(
    "raw",
    [
        b'{"name": NaN}',
        b'{"name": 1e400}',
        b'{"name": "\\ud800", "owner": "a", "tier": "1"}',
        b'{"name": "\\u0000", "owner": "a", "tier": "1"}',
        b'{"name":' + b"[" * 200 + b"]" * 200 + b"}",
        b'{"name": "a", "name": "b", "owner": "a", "tier": "1"}',
        b"\xff",
        b"{",
        b"[]",
        b"null",
    ],
)
def test_02_bodies_that_no_parser_should_pass(server: LocalServer, tenant: str, raw: bytes) -> None:
    headers = {"Authorization": f"Bearer {tenant}", "Content-Type": "application/json"}
    answer = server.client.post("/v1/services", content=raw, headers=headers)

    assert answer.status_code == 400
    assert error_of(answer)["code"] == "validation_error"


def test_03_what_nobody_foresaw_tells_nothing(
    server: LocalServer, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("a secret of the inside")

    monkeypatch.setattr("novaql.server.http.unit_of_work.origin_of", broken)
    answer = ask(server, tenant, "GET", "/v1/services")

    assert answer.status_code == 500
    assert error_of(answer)["code"] == "internal_error"
    assert "inside" not in answer.text
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("path", sorted({e.path for e in ROUTES if "{" not in e.path}))
def test_04_allow_lists_all_methods_of_the_path(server: LocalServer, path: str) -> None:
    methods = {m for e in ROUTES if e.path == path for m in e.verbs}
    methods |= {"HEAD"} if "GET" in methods else set()
    unused = next(m for m in ("PATCH", "TRACE", "PUT", "DELETE") if m not in methods)
    answer = server.client.request(unused, path)

    assert answer.status_code == 405
    assert {m.strip() for m in answer.headers["allow"].split(",")} == methods


@pytest.mark.parametrize("path", ["/v1/services/", "/v1/audit/", "/v1//services", "/v1/services//"])
def test_05_nothing_redirects(server: LocalServer, tenant: str, path: str) -> None:
    answer = ask(server, tenant, "GET", path, Host="evil.example.com")

    assert answer.status_code == 404
    assert "location" not in answer.headers
    assert "evil" not in answer.text


def test_06_wrong_types_and_too_much(server: LocalServer, tenant: str) -> None:
    bearer = {"Authorization": f"Bearer {tenant}"}
    plain = server.client.post(
        "/v1/services", content=b"{}", headers=bearer | {"Content-Type": "text/plain"}
    )
    packed = gzip.compress(b" " * 50_000_000)
    json_type = {"Content-Type": "application/json"}
    bomb = server.client.post(
        "/v1/services",
        content=packed,
        headers=bearer | json_type | {"Content-Encoding": "gzip"},
    )
    whole = server.client.post(
        "/v1/services", content=b" " * 50_000_000, headers=bearer | json_type
    )

    assert (plain.status_code, error_of(plain)["code"]) == (415, "unsupported_media_type")
    assert (bomb.status_code, error_of(bomb)["code"]) == (413, "body_too_large")
    assert (whole.status_code, error_of(whole)["code"]) == (413, "body_too_large")


def test_07_text_is_no_number(server: LocalServer, tenant: str) -> None:
    ask(server, tenant, "POST", "/v1/services", SERVICE)
    answer = ask(server, tenant, "PATCH", "/v1/services/api", {"version": "1", "owner": "b"})

    assert answer.status_code == 400
    assert error_of(answer)["details"][0]["pointer"] == "/version"


def test_08_every_answer_has_an_id_of_ours(server: LocalServer, tenant: str) -> None:
    sent = new_id("req")
    seen = set()
    for method, path, token in (
        ("GET", "/v1/services", tenant),
        ("GET", "/v1/services", "nova_wrong"),
        ("GET", "/v1/nothing", tenant),
        ("PATCH", "/v1/services", tenant),
        ("GET", "/scim/v2/Users/none", tenant),
        ("GET", "/prometheus/api/v1/query", tenant),
        ("GET", "/healthz", "none"),
    ):
        answer = ask(server, token, method, path, **{"X-Request-Id": sent})
        assert REQUEST_ID.fullmatch(answer.headers["x-request-id"])
        seen.add(answer.headers["x-request-id"])
    made = ask(server, tenant, "POST", "/v1/services", SERVICE)
    entries = ask(server, tenant, "GET", "/v1/audit?action=service.create").json()["data"]

    assert len(seen) == 7
    assert sent not in seen
    assert entries[0]["request_id"] == made.headers["x-request-id"]


def test_09_one_key_at_once_makes_one_row(server: LocalServer, tenant: str) -> None:
    barrier = threading.Barrier(6)

    def make(_: int) -> httpx.Response:
        barrier.wait()
        body = {"name": "ci", "role": "read_only"}
        return ask(server, tenant, "POST", "/v1/tokens", body, **{"Idempotency-Key": "one"})

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(make, range(6)))
    made = [a for a in answers if a.status_code == 201]

    assert {a.status_code for a in answers} <= {201, 409}
    assert len({a.json()["id"] for a in made}) == 1
    assert [t["name"] for t in ask(server, tenant, "GET", "/v1/tokens").json()["data"]].count(
        "ci"
    ) == 1


def test_10_the_key_and_the_change_are_one_transaction(
    server: LocalServer, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise OSError("the machine stops here")

    key = {"Idempotency-Key": "crash"}
    with monkeypatch.context() as patch:
        patch.setattr("novaql.server.http.transaction.remember", broken)
        assert ask(server, tenant, "POST", "/v1/services", SERVICE, **key).status_code == 500
    assert ask(server, tenant, "GET", "/v1/services").json()["data"] == []
    first = ask(server, tenant, "POST", "/v1/services", SERVICE, **key)
    again = ask(server, tenant, "POST", "/v1/services", SERVICE, **key)

    assert first.status_code == again.status_code == 201
    assert first.content == again.content
    assert again.headers["idempotent-replayed"] == "true"


def test_11_a_key_is_of_tenant_token_route_and_version(server: LocalServer, tenant: str) -> None:
    key = {"Idempotency-Key": "same"}
    other = add_tenant(server.context.database, server.context.clock, new_id("name"))
    stranger = token_of(server.context.database, other.id, Role.ADMIN, "s@example.com")
    first = ask(server, tenant, "POST", "/v1/services", SERVICE, **key)
    theirs = ask(server, stranger, "POST", "/v1/services", SERVICE, **key)
    route = ask(server, tenant, "POST", "/v1/tokens", {"name": "t", "role": "read_only"}, **key)
    version = ask(
        server, tenant, "POST", "/v1/services", SERVICE, **key, **{"API-Version": "2026-01-15"}
    )

    assert [a.status_code for a in (first, theirs, route)] == [201, 201, 201]
    assert first.json()["id"] != theirs.json()["id"]
    assert version.status_code == 409  # not a replay: the name is taken


def test_12_refusals_do_not_use_a_key_up(server: LocalServer, tenant: str) -> None:
    key = {"Idempotency-Key": "later"}
    weak = server.tokens[Role.READ_ONLY]
    assert ask(server, "nova_x", "POST", "/v1/services", SERVICE, **key).status_code == 401
    assert ask(server, weak, "POST", "/v1/services", SERVICE, **key).status_code == 403
    assert ask(server, tenant, "POST", "/v1/services", {"name": 1}, **key).status_code == 400
    assert ask(server, tenant, "POST", "/v1/services", SERVICE, **key).status_code == 201


@pytest.mark.slow
def test_13_pages_hold_through_inserts_and_equal_times(server: LocalServer, tenant: str) -> None:
    names = {f"first-{n:02}" for n in range(45)}
    for name in names:
        ask(server, tenant, "POST", "/v1/services", SERVICE | {"name": name})
    with server.context.database.write(None) as session:
        session.execute(text("UPDATE audit_entries SET at = (SELECT MAX(at) FROM audit_entries)"))
    seen: list[str] = []
    for path, named in (("/v1/services", "name"), ("/v1/audit?action=service.create", "id")):
        seen, query, page = [], "limit=20", 0
        while True:
            mark = "&" if "?" in path else "?"
            answer = ask(server, tenant, "GET", f"{path}{mark}{query}").json()
            seen += [row[named] for row in answer["data"]]
            if page == 0 and path == "/v1/services":
                for n in range(30):
                    fresh = SERVICE | {"name": f"aaa-{n:02}"}
                    ask(server, tenant, "POST", "/v1/services", fresh)
            if "next_cursor" not in answer:
                break
            page += 1
            query = f"limit=20&cursor={answer['next_cursor']}"
        assert len(seen) == len(set(seen))
        if path == "/v1/services":
            assert names <= set(seen)
    assert len(seen) == 75


def test_14_cursors_are_signed_and_bound(server: LocalServer, tenant: str) -> None:
    for n in range(3):
        ask(server, tenant, "POST", "/v1/services", SERVICE | {"name": f"s{n}"})
    cursor = ask(server, tenant, "GET", "/v1/services?limit=1").json()["next_cursor"]
    other = add_tenant(server.context.database, server.context.clock, new_id("name"))
    stranger = token_of(server.context.database, other.id, Role.ADMIN, "s@example.com")
    flipped = [
        cursor[:at] + ("A" if cursor[at] != "A" else "B") + cursor[at + 1 :]
        for at in range(0, len(cursor), 7)
    ]
    tries = [
        *((tenant, f"/v1/services?limit=1&cursor={wrong}") for wrong in flipped),
        (tenant, f"/v1/tokens?limit=1&cursor={cursor}"),
        (tenant, f"/v1/services?limit=1&tier=tier1&cursor={cursor}"),
        (stranger, f"/v1/services?limit=1&cursor={cursor}"),
    ]

    assert ask(server, tenant, "GET", f"/v1/services?limit=1&cursor={cursor}").status_code == 200
    for token, path in tries:
        answer = ask(server, token, "GET", path)
        assert (answer.status_code, error_of(answer)["code"]) == (400, "invalid_cursor"), path


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_15_the_101st_request_waits_and_the_day_is_the_tenants(
    kind: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    clock = SteppedClock(datetime(2026, 4, 1, 12, tzinfo=UTC))
    folder = tmp_path_factory.mktemp("quota")
    with (
        state_database(kind, folder) as database,
        local_server(
            database=database, data=folder, clock=clock, rate_per_minute=100, rate_per_day=150
        ) as server,
    ):
        one, two = server.tokens[Role.ADMIN], server.tokens[Role.OPERATOR]
        codes = [ask(server, one, "GET", "/v1/services").status_code for _ in range(100)]
        last = ask(server, one, "GET", "/v1/services")
        spent = re.findall(r"t=(\d+)", last.headers["ratelimit"])

        assert codes == [200] * 100
        assert last.status_code == 429
        assert error_of(last)["code"] == "rate_limited"
        assert int(last.headers["retry-after"]) >= max(1, int(spent[0]))
        assert last.headers["ratelimit-policy"] == '"minute";q=100;w=60, "day";q=150;w=86400'
        rest = [ask(server, two, "GET", "/v1/services").status_code for _ in range(51)]
        assert rest == [200] * 50 + [429]
        clock.step(timedelta(seconds=61))
        assert ask(server, one, "GET", "/v1/services").status_code == 429  # the day's


def test_17_selectors_stay_in_the_tenant(server: LocalServer, tenant: str) -> None:
    server.write([({"__name__": "up", "tenant": "first"}, [(1_700_000_000_000, 1.0)])])
    for query in ('{tenant=~".*"}', '{__name__!=""}', "up", 'count({__name__=~".+"})'):
        body = {"query": query, "time": 1_700_000_000}
        answer = ask(server, tenant, "POST", "/v1/novaql", body)
        # PromQL refuses a selector that may match everything.
        assert (
            answer.status_code == 422 if query == '{tenant=~".*"}' else not answer.json()["result"]
        )
    for path in ("labels", "label/tenant/values", "series?match[]=up", "metadata"):
        found = ask(server, tenant, "GET", f"/prometheus/api/v1/{path}").json()["data"]
        assert not found, path


def test_18_a_lowered_owner_lowers_the_token(server: LocalServer, tenant: str) -> None:
    made = ask(server, tenant, "POST", "/v1/users", {"email": "eve@example.com", "role": "admin"})
    accepting = {"token": made.json()["invitation_token"]}
    joined = server.client.post("/v1/invitations/accept", json=accepting)
    theirs = joined.json()["token"]
    user = made.json()["id"]
    assert ask(server, theirs, "GET", "/v1/users").status_code == 200
    users = ask(server, tenant, "GET", "/v1/users").json()["data"]
    version = next(one["version"] for one in users if one["id"] == user)
    lower = {"role": "read_only", "version": version}
    assert ask(server, tenant, "POST", f"/v1/users/{user}", lower).status_code == 200
    assert ask(server, theirs, "POST", "/v1/services", SERVICE).status_code == 403
    assert ask(server, theirs, "GET", "/v1/services").status_code == 200


def test_19_no_secret_is_kept_in_clear(server: LocalServer, tenant: str) -> None:
    token = ask(server, tenant, "POST", "/v1/tokens", {"name": "t", "role": "read_only"}).json()
    key = {"Idempotency-Key": "secret"}
    body = {"name": "replayed", "role": "read_only"}
    kept = ask(server, tenant, "POST", "/v1/tokens", body, **key).json()
    hook = {"url": "https://192.0.43.8/x", "events": ["*"]}
    webhook = ask(server, tenant, "POST", "/v1/webhooks", hook)
    secrets = [token["token"], kept["token"], tenant]
    if webhook.status_code == 201:
        secrets.append(webhook.json()["secret"])
    with server.context.database.read(None) as session:
        connection = session.connection()
        tables = server_tables(session)
        dump = json.dumps(
            [
                [str(value) for value in row]
                for table in tables
                for row in connection.execute(text(f'SELECT * FROM "{table}"'))
            ]
        )
    for secret in secrets:
        assert secret not in dump
        assert secret.removeprefix("whsec_") not in dump


def server_tables(session: Any) -> list[str]:
    from sqlalchemy import inspect  # noqa: PLC0415 - one use

    return list(inspect(session.connection()).get_table_names())


@pytest.mark.slow
def test_20_the_document_tells_all_of_this(server: LocalServer) -> None:
    document = server.client.get("/v1/openapi.json").json()

    assert document["openapi"].startswith("3.1.")
    assert len(document["components"]["securitySchemes"]) == 1
    assert sum(path.startswith("/v1/") for path in document["paths"]) > 40
