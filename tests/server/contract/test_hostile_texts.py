"""Every field, parameter, header and path part of every endpoint, with hostile values, over both
databases: never a 500 or 503, and what is accepted is read back as it was sent."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from pydantic import BaseModel, RootModel

from novaql.server.auth.roles import Role
from novaql.server.routes import ROUTES, Row
from tests.support.contract.route_walk import Walk
from tests.support.servers.http_server import local_server
from tests.support.servers.state_databases import KINDS, state_database

pytestmark = pytest.mark.slow

_CHANCE = random.Random(7)
DENSE = "".join(chr(_CHANCE.randrange(0x4E00, 0x9FFF)) for _ in range(9_000))
"""Nothing packs it, so it is too large for an entry of an index of PostgreSQL."""

TEXTS = [
    "\0",
    "a\0b",
    "\ud800",
    "\uffff",
    "\ufdd0",
    "\u202eabc",
    "",
    " ",
    "\n",
    "é" * 200,
    DENSE,
    "x" * 100_000,
    "9999-12-31T23:59:59-23:59",
    "0001-01-01T00:00:00+23:59",
    "999999999999w",
]
NUMBERS = [2**31, 2**53 + 1, 2**63, 2**64, 10**30, -(2**31) - 1, -(2**63) - 1, 1e300, 0.5]
OF_TYPES: dict[str, list[Any]] = {
    "string": [*TEXTS],
    "integer": [*NUMBERS],
    "number": [*NUMBERS],
    "array": [[text] for text in ("\0", "\ud800", "\uffff", DENSE)],
    "object": [{text[:300]: text} for text in ("\0", "\uffff", DENSE)],
}


OF_TYPES_TAKEN = list(OF_TYPES)
"""In place of the schema of a field that the model does not name: it may have any type."""
KEYS_OF_MAPS = ("flow", "token", "base_url", "client_id")


def keys_of(body: type[BaseModel]) -> Iterator[str]:
    """The names of the fields of a body; of a map, those that its handler reads."""
    if issubclass(body, RootModel):
        yield from KEYS_OF_MAPS
    else:
        yield from (field.alias or name for name, field in body.model_fields.items())


def values_for(schema: Mapping[str, Any], key: str) -> Iterator[Any]:
    """Hostile values of the types that a field of a body takes somewhere inside, and one of each
    other."""
    field = json.dumps(schema.get("properties", {}).get(key, OF_TYPES_TAKEN))
    for kind, values in OF_TYPES.items():
        takes = f'"{kind}"' in field or ("$ref" in field and kind in ("object", "string"))
        yield from values if takes else values[:1]


@pytest.fixture(scope="module", params=KINDS)
def walk(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Walk]:
    """One resource of every kind, over each database."""
    folder = tmp_path_factory.mktemp("hostile")
    with (
        state_database(request.param, folder) as database,
        local_server(database=database, data=folder, egress_allow="127.0.0.0/8, ::1/128") as server,
    ):
        made = Walk(server, server.tokens[Role.ADMIN])
        made.make()
        yield made


def send(
    walk: Walk, method: str, path: str, body: Any = None, **headers: str | bytes
) -> httpx.Response:
    given = {"Authorization": f"Bearer {walk.token}", "Content-Type": "application/json"} | headers
    content = None if body is None else json.dumps(body).encode()
    sent = [
        (name.replace("_", "-").encode(), value.encode() if isinstance(value, str) else value)
        for name, value in given.items()
    ]
    return walk.server.client.request(method, path, content=content, headers=sent)


def is_sound(answer: httpx.Response) -> bool:
    return answer.status_code < 500 or answer.status_code == 501


WITH_BODY = [pytest.param(e, id=f"{e.verbs[0]} {e.path}") for e in ROUTES if e.body is not None]


@pytest.mark.parametrize("endpoint", WITH_BODY)
def test_bodies(walk: Walk, endpoint: Row) -> None:
    path = walk.path_of(endpoint)
    assert endpoint.body is not None
    if path is None:
        path = endpoint.path.replace("{", "").replace("}", "")
    schema = endpoint.body.model_json_schema()
    for key in keys_of(endpoint.body):
        for value in values_for(schema, key):
            body = {**(endpoint.example or {}), key: value}
            answer = send(walk, endpoint.verbs[0], path, body)
            shown = f"{key}={str(value)[:40]!r} ({len(str(value))}): {answer.text[:300]}"
            assert is_sound(answer), shown
            # A query comes back in its canonical form, in which `é` is quoted.
            is_formatted = endpoint.path == "/v1/novaql/format"
            if answer.status_code in (200, 201) and isinstance(value, str) and not is_formatted:
                _is_read_back(walk, answer, key, value, shown)


def _is_read_back(walk: Walk, answer: httpx.Response, key: str, value: str, shown: str) -> None:
    """Texts for people come back as they were sent; times and durations in their own form."""
    if not answer.headers["content-type"].startswith("application/json"):
        return
    told = answer.json()
    if not isinstance(told, dict) or key not in told or key in ("secret", "expires_at"):
        return
    assert told[key] == value or value[:1].isdigit(), shown
    if "location" in answer.headers:
        again = send(walk, "GET", answer.headers["location"])
        if again.status_code == 200 and key in again.json():
            assert again.json()[key] == told[key], shown


@pytest.mark.parametrize(
    "endpoint", [pytest.param(e, id=e.path) for e in ROUTES if e.query is not None]
)
def test_query_parameters(walk: Walk, endpoint: Row) -> None:
    path = walk.path_of(endpoint) or endpoint.path.replace("{", "").replace("}", "")
    assert endpoint.query is not None
    for name, field in endpoint.query.model_fields.items():
        key = field.alias or name
        for text in (*TEXTS, *map(str, NUMBERS), "%00", "%ED%A0%80", "1_0", "٣"):
            raw = text if text.startswith("%") else quote(text[:5000], errors="surrogatepass")
            answer = send(walk, endpoint.verbs[0], f"{path}?{key}={raw}")
            assert is_sound(answer), f"{key}={text[:40]!r}: {answer.text[:300]}"


@pytest.mark.parametrize(
    "endpoint",
    [pytest.param(e, id=f"{e.verbs[0]} {e.path}") for e in ROUTES if "{" in e.path],
)
def test_path_parts(walk: Walk, endpoint: Row) -> None:
    before = endpoint.path.partition("{")[0]
    after = endpoint.path.partition("}")[2].replace("{", "").replace("}", "")
    for text in TEXTS[:-3]:
        raw = quote(text[:4000], safe="", errors="surrogatepass")
        answer = send(walk, endpoint.verbs[0], f"{before}{raw}{after}", endpoint.example)
        assert is_sound(answer), f"{text[:40]!r}: {answer.text[:300]}"


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\xff\xfe",
        b"\xed\xa0\x80",
        "é".encode(),
        b"x" * 300,
        b"x" * 9000,
        b'"3"',
        b"9" * 9,
        b"\x7f",
    ],
)
@pytest.mark.parametrize(
    "header",
    ["Idempotency-Key", "If-Match", "User-Agent", "API-Version", "X-Forwarded-For", "Accept"],
)
def test_headers(walk: Walk, header: str, value: bytes) -> None:
    body = {"name": "ci", "role": "read_only"}
    made = send(walk, "POST", "/v1/tokens", body, **{header: value})
    assert is_sound(made), made.text
    changed = send(walk, "PATCH", "/v1/services/api", {"description": "x"}, **{header: value})
    assert is_sound(changed), changed.text
    assert is_sound(send(walk, "GET", "/v1/audit-logs", **{header: value}))


SCIM_USER = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "eve"}
SCIM_GROUP = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "g"}
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


@pytest.mark.parametrize("text", TEXTS)
def test_scim(walk: Walk, text: str) -> None:
    number = TEXTS.index(text)
    for field in ("userName", "displayName", "externalId", "nickName", "locale", "id"):
        user = {**SCIM_USER, "userName": f"eve{number}{field}", field: text}
        answer = send(walk, "POST", "/scim/v2/Users", user)
        assert is_sound(answer), f"{field}: {answer.text[:300]}"
        if answer.status_code == 201 and field != "id":
            again = send(walk, "GET", f"/scim/v2/Users/{answer.json()['id']}").json()
            assert again.get(field) == text or not text, field
    parts: list[tuple[str, Any]] = [
        ("name", {"familyName": text, "givenName": text}),
        ("emails", [{"value": text, "type": text}]),
        ("roles", [{"value": text}]),
        (text, text),
    ]
    for key, value in parts:
        user = {**SCIM_USER, "userName": f"eve{number}{key}"[:50].replace("\0", ""), key: value}
        assert is_sound(send(walk, "POST", "/scim/v2/Users", user)), key
    twice = {**SCIM_GROUP, "members": [{"value": "x"}, {"value": "x"}]}
    assert is_sound(send(walk, "POST", "/scim/v2/Groups", twice))
    for field in ("displayName", "externalId", "members"):
        value = [{"value": text, "display": text}] if field == "members" else text
        answer = send(walk, "POST", "/scim/v2/Groups", {**SCIM_GROUP, field: value})
        assert is_sound(answer), f"{field}: {answer.text[:300]}"
    made = send(walk, "POST", "/scim/v2/Users", {**SCIM_USER, "userName": f"adam{number}"})
    group = send(walk, "POST", "/scim/v2/Groups", SCIM_GROUP).json()["id"]
    changes: list[tuple[str | None, Any]] = [("userName", text), ("nickName", text)]
    for place, new in (*changes, (text, "x"), (None, {text: text})):
        operation = {"op": "replace", "value": new} | ({} if place is None else {"path": place})
        body = {"schemas": [PATCH], "Operations": [operation]}
        answer = send(walk, "PATCH", f"/scim/v2/Users/{made.json()['id']}", body)
        assert is_sound(answer), f"{place}: {answer.text[:300]}"
        add = {"op": "add", "path": "members", "value": [{"value": text}]}
        body = {"schemas": [PATCH], "Operations": [add]}
        assert is_sound(send(walk, "PATCH", f"/scim/v2/Groups/{group}", body))
    raw = quote(text[:2000], safe="", errors="surrogatepass")
    for asked in (
        f"/scim/v2/Users/{raw}",
        f"/scim/v2/Groups/{raw}",
        f"/scim/v2/Users?filter=userName%20eq%20%22{raw}%22",
        f"/scim/v2/Users?filter={raw}",
        f"/scim/v2/Groups?filter=displayName%20co%20%22{raw}%22",
        f"/scim/v2/Users?startIndex={raw}&count={raw}",
        f"/scim/v2/Users?sortBy={raw}",
    ):
        assert is_sound(send(walk, "GET", asked)), asked[:100]
    for match in ("If-Match", "User-Agent"):
        raw_text = text[:300].strip().encode("utf-8", "surrogatepass").replace(b"\0", b"")
        place_of = f"/scim/v2/Users/{made.json()['id']}"
        assert is_sound(send(walk, "DELETE", place_of, **{match: raw_text}))
