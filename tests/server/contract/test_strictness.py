"""Numbers in queries, entity tags and repeated keys: the same rules at every door."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

import pytest
from starlette import datastructures

from novaql.server.http.query import MOST_PARAMETERS
from novaql.server.http.shapes import Patch
from novaql.server.http.strict_json import MOST_VALUES
from novaql.server.routes import ROUTES, Row
from novaql.server.wording import UNKNOWN
from tests.support.contract.route_walk import Walk
from tests.support.servers.http_server import local_server

WRONG = ["1_0", " 5", "5 ", "+5", "\uff15", "\u0665", "1e1", "0x5", "5.0", "", "05", "5,0", "inf"]


@pytest.fixture(scope="module")
def walk() -> Iterator[Walk]:
    with local_server() as server:
        made = Walk(server, server.bearer()["Authorization"].split()[1])
        made.make()
        yield made


def numbers() -> list[tuple[Row, str, type]]:
    """Every numeric query parameter of the route table."""
    found: list[tuple[Row, str, type]] = []
    for endpoint in ROUTES:
        if endpoint.query is None:
            continue
        for name, field in endpoint.query.model_fields.items():
            kinds = typing.get_args(field.annotation) or (field.annotation,)
            found += [
                (endpoint, field.alias or name, kind) for kind in kinds if kind in (int, float)
            ]
    return found


NUMBERS = numbers()


@pytest.mark.parametrize(
    ("endpoint", "name", "kind"), NUMBERS, ids=[f"{e.path}?{name}" for e, name, _ in NUMBERS]
)
def test_numbers_in_queries_are_decimal_digits(
    walk: Walk, endpoint: Row, name: str, kind: type
) -> None:
    path = walk.path_of(endpoint)
    if path is None:
        pytest.skip("nothing of this kind was made")
    fine = {"1e1", "5.0"} if kind is float else set()
    for text in (text for text in WRONG if text not in fine):
        answer = walk.server.client.get(path, params={name: text}, headers=walk.server.bearer())
        assert answer.status_code == 400, (text, answer.text)
        assert answer.json()["error"]["details"][0]["pointer"] == f"/{name}"


def without_null() -> list[tuple[Row, str]]:
    """Each field of a change that has no null."""
    return [
        (endpoint, field.alias or name)
        for endpoint in ROUTES
        if endpoint.body is not None and issubclass(endpoint.body, Patch)
        for name, field in endpoint.body.model_fields.items()
        if name not in {"version", *endpoint.body.removable}
    ]


NO_NULL = without_null()


@pytest.mark.parametrize(
    ("endpoint", "name"), NO_NULL, ids=[f"{e.path}/{name}" for e, name in NO_NULL]
)
def test_null_is_no_change(walk: Walk, endpoint: Row, name: str) -> None:
    path = walk.path_of(endpoint)
    if path is None:
        pytest.skip("nothing of this kind was made")
    body = {"version": 1, name: None}
    answer = walk.server.client.patch(path, json=body, headers=walk.server.bearer())
    assert answer.status_code == 400, answer.text
    assert [one["pointer"] for one in answer.json()["error"]["details"]] == [f"/{name}"]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", "-1e400"])
def test_a_number_in_a_body_is_finite(walk: Walk, number: str) -> None:
    headers = walk.server.bearer() | {"Content-Type": "application/json"}
    body = f'{{"name": "a", "owner": "b", "tier": "c", "depends_on": ["d", {number}]}}'
    answer = walk.server.client.post("/v1/services", content=body, headers=headers)
    assert answer.status_code == 400
    assert [one["pointer"] for one in answer.json()["error"]["details"]] == ["/depends_on/1"]


@pytest.mark.parametrize(
    "text",
    [
        *("20260401T120000+00:00", "2026-W14-3T12:00:00Z", "2026-04-01T12:00:00,5Z"),
        *("2026-04-01T12:00:00+0000", "\uff12026-04-01T12:00:00Z", "2026-04-01T12:00:00Z "),
        *("2026-04-01T12Z+00:00:00", "1775044800", "2026-04-01T12:00:00"),
    ],
)
def test_times_in_queries_are_rfc_3339(walk: Walk, text: str) -> None:
    answer = walk.server.client.get(
        "/v1/audit", params={"since": text}, headers=walk.server.bearer()
    )
    assert answer.status_code == 400
    good = {"since": "2026-04-01t12:00:00.123456+02:00"}
    assert (
        walk.server.client.get("/v1/audit", params=good, headers=walk.server.bearer()).status_code
        == 200
    )


@pytest.mark.parametrize(
    ("text", "status"),
    [
        *(("60", 200), ("+60", 200), ("6e1", 200), ("6_0", 200), ("0x1p6", 200), (".5", 200)),
        *(("\uff16\uff10", 400), (" 60", 400), ("60 ", 400), ("6__0", 400), ("_60", 400)),
        *(("60_", 400), ("0x40", 400), ("+nan", 400), ("0b1", 400), ("1e", 400), ("Inf", 400)),
    ],
)
@pytest.mark.parametrize("name", ["time", "start", "step", "timeout"])
def test_numbers_on_the_base_of_prometheus_are_those_of_go(
    walk: Walk, name: str, text: str, status: int
) -> None:
    given: dict[str, Any] = {"query": "1", "start": "0", "end": "120", "step": "60"}
    path = "/api/v1/query" if name in ("time", "timeout") else "/api/v1/query_range"
    answer = walk.server.client.get(path, params=given | {name: text}, headers=walk.server.bearer())
    assert answer.status_code == status, answer.text


@pytest.mark.parametrize("text", ["1_0", " 5", "\uff15", "1e1", "0x5"])
def test_limits_on_the_base_of_prometheus_are_those_of_go(walk: Walk, text: str) -> None:
    for path in ("/api/v1/labels", "/api/v1/query?query=1"):
        answer = walk.server.client.get(
            path, params={"query": "1", "limit": text}, headers=walk.server.bearer()
        )
        assert answer.status_code == 400, (path, text)


SINGLE = [
    e
    for e in ROUTES
    if e.verbs == ("GET",)
    and e.answer is not None
    and (field := e.answer.model_fields.get("version")) is not None
    and field.annotation is int
]


@pytest.mark.parametrize("endpoint", SINGLE, ids=[e.path for e in SINGLE])
def test_single_resources_have_an_etag(walk: Walk, endpoint: Row) -> None:
    path = walk.path_of(endpoint)
    if path is None:
        pytest.skip("nothing of this kind was made")
    client, bearer = walk.server.client, walk.server.bearer()
    first = client.get(path, headers=bearer)
    etag = first.headers["etag"]
    assert etag.startswith(f'"{first.json()["version"]}')
    for given in (etag, f"W/{etag}", f'"x", {etag}', "*"):
        for method in ("GET", "HEAD"):
            again = client.request(method, path, headers=bearer | {"If-None-Match": given})
            assert (again.status_code, again.content) == (304, b""), (method, given)
            assert again.headers["etag"] == etag
    for given in ('"other"', etag.strip('"'), f'"{etag.strip(chr(34))}0"'):
        again = client.get(path, headers=bearer | {"If-None-Match": given})
        assert (again.status_code, again.json()) == (200, first.json())
    assert client.head(path, headers=bearer).headers["etag"] == etag


def test_an_etag_is_what_if_match_takes(walk: Walk) -> None:
    client, bearer = walk.server.client, walk.server.bearer()
    hook = {"url": "https://192.0.43.8/x", "events": ["*"]}
    made = client.post("/v1/webhooks", json=hook, headers=bearer)
    path = f"/v1/webhooks/{made.json()['id']}"
    old = client.get(path, headers=bearer).headers["etag"]
    for text in ("a", "b"):
        etag = client.get(path, headers=bearer).headers["etag"]
        change = {"description": text}
        done = client.patch(path, json=change, headers=bearer | {"If-Match": etag})
        assert done.status_code == 200, done.text
        assert done.headers["etag"] == client.get(path, headers=bearer).headers["etag"] != etag
    stale = client.patch(path, json={"description": "c"}, headers=bearer | {"If-Match": old})
    assert (stale.status_code, stale.json()["error"]["code"]) == (409, "version_conflict")
    now = client.get(path, headers=bearer | {"If-None-Match": old})
    assert now.json()["description"] == "b"


def test_what_changes_without_the_version_changes_the_etag(walk: Walk) -> None:
    client, bearer = walk.server.client, walk.server.bearer()
    service = {"name": "moving", "owner": "o", "tier": "t"}
    assert client.post("/v1/services", json=service, headers=bearer).status_code == 201
    etag = client.get("/v1/services/moving", headers=bearer).headers["etag"]
    incident = {"title": "t", "severity": "sev2", "services": ["moving"]}
    made = client.post("/v1/incidents", json=incident, headers=bearer)
    assert made.status_code == 201, made.text
    again = client.get("/v1/services/moving", headers=bearer | {"If-None-Match": etag})
    assert again.status_code == 200
    assert again.json()["open_incidents"] == 1


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ('{"name": "a", "name": "b"}', "/name"),
        ('{"panels": [{"title": "a", "title": "b"}]}', "/panels/0/title"),
        ('{"panels": [{}, {"x": {"a/b": 1, "a~": 0, "a/b": 2}}]}', "/panels/1/x/a~1b"),
        ('{"a": {"b": 1, "b": 2}, "a": 1}', "/a"),
        ('[{"a": 1}, {"a": 1, "a": 1}]', "/1/a"),
        ('{"a": {"b": 1, "b": 1}, "c": {"d": 1, "d": 1}}', "/a/b"),
    ],
)
def test_repeated_keys_are_named_by_their_whole_pointer(
    walk: Walk, body: str, pointer: str
) -> None:
    headers = walk.server.bearer() | {"Content-Type": "application/json"}
    for path in ("/v1/dashboards", "/v1/novaql"):
        answer = walk.server.client.post(path, content=body, headers=headers)
        assert answer.status_code == 400
        assert answer.json()["error"]["details"][0]["pointer"] == pointer


SCIM = {"Content-Type": "application/scim+json"}
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


@pytest.mark.parametrize(
    "body",
    [
        f'{{"schemas": ["{USER}"], "userName": "a@b.c", "userName": "d@e.f"}}',
        f'{{"schemas": ["{USER}"], "userName": "a@b.c", "USERNAME": "d@e.f"}}',
        f'{{"schemas": ["{USER}"], "userName": "a@b.c", "name": {{"a": 1, "a": 1}}}}',
        "{",
        "[" * 400_000,
        '{"a":' * 100_000 + "1" + "}" * 100_000,
    ],
)
def test_scim_refuses_what_is_no_json_with_one_value_a_key(walk: Walk, body: str) -> None:
    answer = walk.server.client.post(
        "/scim/v2/Users", content=body, headers=walk.server.bearer() | SCIM
    )
    assert answer.status_code == 400, answer.text
    assert answer.json()["scimType"] == "invalidSyntax"


def test_scim_refuses_members_that_do_not_exist(walk: Walk) -> None:
    headers = walk.server.bearer() | SCIM

    def ask(method: str, path: str, body: Any) -> Any:
        return walk.server.client.request(method, f"/scim/v2{path}", json=body, headers=headers)

    user = ask("POST", "/Users", {"schemas": [USER], "userName": "m@b.c"}).json()["id"]
    inner = ask("POST", "/Groups", {"schemas": [GROUP], "displayName": "inner"}).json()["id"]
    good = [{"value": user}, {"value": inner}]
    made = ask("POST", "/Groups", {"schemas": [GROUP], "displayName": "m", "members": good})
    assert made.status_code == 201, made.text
    path = f"/Groups/{made.json()['id']}"
    gone = ask("POST", "/Users", {"schemas": [USER], "userName": "gone@b.c"}).json()["id"]
    assert ask("DELETE", f"/Users/{gone}", None).status_code == 204
    for nobody in ("usr_nope", "grp_nope", gone, "x"):
        bad = [{"value": nobody}]
        operation = {"op": "add", "path": "members", "value": bad}
        replace = {"op": "replace", "path": "members", "value": bad}
        for method, at, body in (
            ("POST", "/Groups", {"schemas": [GROUP], "displayName": "n", "members": bad}),
            ("PUT", path, {"schemas": [GROUP], "displayName": "m", "members": [*good, *bad]}),
            ("PATCH", path, {"schemas": [PATCH], "Operations": [operation]}),
            ("PATCH", path, {"schemas": [PATCH], "Operations": [replace]}),
        ):
            refused = ask(method, at, body)
            assert refused.status_code == 400, (method, nobody, refused.text)
            assert refused.json()["scimType"] == "invalidValue"
    shown = ask("GET", path, None).json()["members"]
    assert {member["value"] for member in shown} == {user, inner}


@pytest.mark.parametrize("text", ["9" * 5000, "9223372036854775808", "-9223372036854775809"])
@pytest.mark.parametrize(
    "path", ["/api/v1/labels", "/api/v1/metadata", "/api/v1/search/label_names", "/api/v1/rules"]
)
def test_whole_numbers_on_the_base_of_prometheus_have_64_bits(
    walk: Walk, path: str, text: str
) -> None:
    name = "group_limit" if path.endswith("/rules") else "limit"
    ask = walk.server.client.get
    answer = ask(path, params={name: text}, headers=walk.server.bearer())
    assert (answer.status_code, answer.json()["errorType"]) == (400, "bad_data")
    most = {name: f"+00{2**63 - 1}"}
    assert ask(path, params=most, headers=walk.server.bearer()).status_code == 200


@pytest.mark.parametrize("sent", [b"\x0b", b"\x0c", b" \x1c ", b"\xc2\x85"])
def test_only_whitespace_of_json_is_an_empty_body(sent: bytes) -> None:
    with local_server() as server:
        headers = {"Content-Type": "application/json", **server.bearer()}
        hook = {"url": "https://192.0.43.8/x", "events": ["*"]}
        made = server.client.post("/v1/webhooks", json=hook, headers=headers).json()
        replay = f"/v1/webhooks/{made['id']}/replay"
        assert server.client.post(replay, content=b" \r\n\t", headers=headers).status_code == 202
        assert server.client.post(replay, content=sent, headers=headers).status_code == 400


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/v1/services", "/v1/novaql"])
def test_a_body_has_a_limited_number_of_values(walk: Walk, path: str) -> None:
    """An error for each would take a gigabyte for eight requests."""
    for count, reason in (
        (MOST_VALUES, f"has more than {MOST_VALUES} values"),
        (MOST_VALUES - 1, UNKNOWN),
    ):
        body = {f"k{number}": None for number in range(count)}  # the object is a value, too
        answer = walk.server.client.post(path, json=body, headers=walk.server.bearer())
        assert answer.status_code == 400
        assert reason in answer.text


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/services"),
        ("GET", "/v1/alerts"),
        ("GET", "/scim/v2/Users"),
        ("POST", "/api/v1/write"),
        ("POST", "/write"),
        ("GET", "/ping"),
        ("GET", "/query"),
    ],
)
def test_a_url_has_so_many_parameters(
    walk: Walk, monkeypatch: pytest.MonkeyPatch, method: str, path: str
) -> None:
    """They are counted before they are decoded: 64 KiB of them would stop all other requests."""
    decoded: list[str] = []

    def noted(text: str, **options: Any) -> list[tuple[str, str]]:
        decoded.append(text)
        return parse_qsl(text, **options)

    monkeypatch.setattr(datastructures, "parse_qsl", noted)
    url = f"{path}?{'a&' * MOST_PARAMETERS}"
    answer = walk.server.client.request(method, url, headers=walk.server.bearer())
    assert answer.status_code == 400
    assert "more than 1000 query parameters" in answer.text
    assert decoded == []
