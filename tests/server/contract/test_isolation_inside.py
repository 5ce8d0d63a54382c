"""Ids of another tenant where they are not in the path: in bodies, filters, cursors and headers.

What is asked with an id of the other tenant, and with one that nobody ever had, is answered alike
and changes alike; what is computed comes from the own samples alone.
"""

from __future__ import annotations

import json
import re
import typing
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from novaql.server.auth.bootstrap import add_tenant
from novaql.server.auth.roles import Role
from novaql.server.ids import new_id
from novaql.server.routes import ROUTES, Row
from tests.server.contract.conftest import TwoTenants
from tests.server.contract.test_isolation import REQUEST_ID, never, seen
from tests.support.contract.route_walk import ID, Walk, creating
from tests.support.peers.receiver import receiving
from tests.support.servers.http_server import local_server, token_of

pytestmark = pytest.mark.slow

LISTS = [
    endpoint
    for endpoint in ROUTES
    if endpoint.verbs == ("GET",) and endpoint.query is not None and "{" not in endpoint.path
]


def texts(endpoint: Row) -> list[str]:
    """The filters of a list that take any text."""
    assert endpoint.query is not None
    found = []
    for name, field in endpoint.query.model_fields.items():
        schema = endpoint.query.model_json_schema()["properties"].get(field.alias or name, {})
        kinds = [schema, *schema.get("anyOf", ())]
        if name != "cursor" and any(
            k.get("type") == "string" and not {"enum", "format", "pattern"} & k.keys()
            for k in kinds
        ):
            found.append(field.alias or name)
    return found


FILTERS = [(endpoint, name) for endpoint in LISTS for name in texts(endpoint)]


def without(answer: httpx.Response, key: str) -> tuple[int, str]:
    status, _, text = seen(answer, key)
    return status, text


@pytest.mark.parametrize(("endpoint", "name"), FILTERS, ids=[f"{e.path}?{n}" for e, n in FILTERS])
def test_filters_by_foreign_keys_find_what_made_up_ones_find(
    two: TwoTenants, endpoint: Row, name: str
) -> None:
    for key in two.here.everything():
        made_up = never(key)
        theirs, nobodys = (
            two.there.server.client.get(
                endpoint.path,
                params={name: k},
                headers={"Authorization": f"Bearer {two.there.token}"},
            )
            for k in (key, made_up)
        )
        assert without(theirs, key) == without(nobodys, made_up), key


def test_filters_were_found() -> None:
    assert {"actor", "target"} <= {n for e, n in FILTERS if e.path == "/v1/audit"}
    assert len(FILTERS) > 15


NAMING = (
    *("id", "channels", "depends_on", "service", "services", "assignees"),
    *("actor", "target", "members"),
)


def named(endpoint: Row, key: str) -> Iterator[dict[str, Any]]:
    """Bodies in which fields that name something name the key."""
    assert endpoint.body is not None
    assert endpoint.example is not None
    example = json.loads(json.dumps(endpoint.example))
    for name, field in endpoint.body.model_fields.items():
        if name.endswith(NAMING):
            many = typing.get_origin(field.annotation) is list
            yield {**example, field.alias or name: [key] if many else key}
    if isinstance(example.get("panels"), list):
        yield {**example, "panels": [{**example["panels"][0], "id": key}]}
    if "filters" in endpoint.body.model_fields:
        yield {**example, "filters": {"actor": key}}
        yield {**example, "filters": {"target": key}}
    if "route" in endpoint.body.model_fields:
        yield {**example, "route": {"channels": [key]}}


WITH_NAMES = [
    endpoint
    for endpoint in ROUTES
    if endpoint.verbs in (("POST",), ("PATCH",))
    and endpoint.example is not None
    and endpoint.body is not None
    and endpoint.path.startswith("/v1/")
    and "{" not in endpoint.path
    and next(named(endpoint, "x"), None) is not None
]
OWN = re.compile(
    r"(?:expires=\d+&signature=\w+|[a-z]{2,5}_[0-9A-Za-z]{16,32}|\d{4}-\d\d-\d\dT[0-9:.]+Z)"
)


@pytest.mark.parametrize("endpoint", WITH_NAMES, ids=[e.path for e in WITH_NAMES])
def test_bodies_that_name_foreign_things(two: TwoTenants, endpoint: Row) -> None:
    for key in filter(ID.fullmatch, two.here.everything()):
        made_up = never(key)
        for ours, other in zip(named(endpoint, key), named(endpoint, made_up), strict=True):
            answers = []
            for body, k in ((ours, key), (other, made_up)):
                answer = two.there.request("POST", endpoint.path, body)
                status, text = without(answer, k)
                answers.append((status, OWN.sub("OWN", text)))
                made = answer.json() if answer.status_code == 201 else {}
                if isinstance(made, dict) and "id" in made:
                    _take_back(two.there, endpoint.path, made)
            assert answers[0] == answers[1], (key, ours)


def _take_back(walk: Walk, path: str, made: dict[str, Any]) -> None:
    """So that the next body meets the same state: names are free again."""
    for name in ("id", "name"):
        if name in made:
            walk.request("DELETE", f"{path}/{made[name]}")


def test_a_panel_of_another_tenant_is_no_panel_here(two: TwoTenants) -> None:
    panel = two.here.made["/v1/dashboards"]["panels"][0]
    body = {"title": "theft", "panels": [panel]}
    answer = two.there.request("POST", "/v1/dashboards", body)
    shown = two.here.request("GET", f"/v1/panels/{panel['id']}/data")

    assert answer.status_code in (404, 422)
    assert shown.status_code == 200, shown.text


def test_if_match_tells_nothing_of_foreign_things(two: TwoTenants) -> None:
    for endpoint in ROUTES:
        if endpoint.verbs != ("PATCH",):
            continue
        path = two.here.path_of(endpoint)
        if path is None:
            continue
        body = {k: v for k, v in (endpoint.example or {}).items() if k != "version"}
        found = set()
        for version in ('"1"', '"99"'):
            headers = {"Authorization": f"Bearer {two.there.token}", "If-Match": version}
            answer = two.server.client.request("PATCH", path, json=body, headers=headers)
            found.add((answer.status_code, REQUEST_ID.sub("", answer.text)))
        assert len(found) == 1, path
        assert next(iter(found))[0] == 404, path


def test_every_cursor_is_of_one_tenant(two: TwoTenants) -> None:
    for name in "abc":
        for endpoint in creating():  # some more of what can be made again
            if "{" not in endpoint.path:
                example = dict(endpoint.example or {})
                for field in ("name", "email", "title"):
                    if isinstance(example.get(field), str):
                        example[field] = f"{name}-{example[field]}"[:60]
                two.here.request("POST", endpoint.path, example)
    tried = set()
    for endpoint in LISTS:
        first = two.here.request("GET", f"{endpoint.path}?limit=1").json()
        if not isinstance(first, dict) or "next_cursor" not in first:
            continue
        path = f"{endpoint.path}?limit=1&cursor={first['next_cursor']}"
        assert two.here.request("GET", path).status_code == 200
        foreign = two.there.request("GET", path)
        assert (foreign.status_code, foreign.json()["error"]["code"]) == (400, "invalid_cursor")
        tried.add(endpoint.path)

    assert tried >= {"/v1/services", "/v1/webhooks", "/v1/audit", "/v1/dashboards", "/v1/users"}


def test_events_reach_the_webhooks_of_their_tenant_alone() -> None:
    with (
        local_server(egress_allow="127.0.0.0/8", webhook_http=True) as server,
        receiving() as heard,
    ):
        database, clock = server.context.database, server.context.clock
        other = add_tenant(database, clock, "other").id
        here = Walk(server, server.tokens[Role.ADMIN])
        there = Walk(server, token_of(database, other, Role.ADMIN, "eve@example.com"))
        for walk, path in ((here, "/here"), (there, "/there")):
            body = {"url": f"{heard.url}{path}", "events": ["*"]}
            assert walk.request("POST", "/v1/webhooks", body).status_code == 201
        server.run_jobs()
        heard.heard.clear()
        here.request("POST", "/v1/services", {"name": "mine", "owner": "a", "tier": "t"})
        there.request("POST", "/v1/services", {"name": "theirs", "owner": "a", "tier": "t"})
        server.run_jobs()

        assert [b"service.create" in one.body for one in heard.of("/here")] == [True]
        assert [b"service.create" in one.body for one in heard.of("/there")] == [True]
        targets = {json.loads(one.body)["data"]["target"]["id"] for one in heard.heard}
        assert len(targets) == 2
        (webhook,) = here.request("GET", "/v1/webhooks").json()["data"]
        log = here.request("GET", f"/v1/webhooks/{webhook['id']}/deliveries").text
        theirs = there.request("GET", "/v1/services/theirs").json()["id"]
        assert theirs not in log


def test_groups_take_no_members_of_another_tenant(two: TwoTenants) -> None:
    foreign = two.here.made["/v1/users"]["id"]
    answers = []
    for key in (foreign, never(foreign)):
        body = {
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
            "displayName": "g",
            "members": [{"value": key}],
        }
        made = two.there.request("POST", "/scim/v2/Groups", body)
        patch = {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "add", "path": "members", "value": [{"value": key}]}],
        }
        group = two.there.request("POST", "/scim/v2/Groups", {**body, "members": []})
        changed = two.there.request("PATCH", f"/scim/v2/Groups/{group.json().get('id')}", patch)
        found = two.there.request("GET", f'/scim/v2/Users?filter=id eq "{key}"')
        answers.append(
            [
                (one.status_code, OWN.sub("OWN", without(one, key)[1]))
                for one in (made, changed, found)
            ]
        )
        for one in (made, group):
            if one.status_code == 201:
                two.there.request("DELETE", f"/scim/v2/Groups/{one.json()['id']}")

    assert answers[0] == answers[1]


def test_exports_hold_the_tenants_own(two: TwoTenants) -> None:
    server = two.server
    fresh = add_tenant(server.context.database, server.context.clock, new_id("name")).id
    token = token_of(server.context.database, fresh, Role.ADMIN, "zoe@example.com")
    walk = Walk(server, token)
    walk.request("POST", "/v1/services", {"name": "own", "owner": "a", "tier": "t"})
    now = datetime.now(UTC)
    body = {"from": f"{now:%Y}-01-01T00:00:00Z", "to": f"{now:%Y}-12-31T23:59:59Z"}
    export = walk.request("POST", "/v1/audit/export", {**body, "format": "json"})
    assert export.status_code == 201, export.text
    path = "/v1" + export.json()["download_url"].partition("/v1")[2]
    file = server.client.get(path)

    assert file.status_code == 200
    assert "service.create" in file.text
    assert not [key for key in two.here.everything() if ID.fullmatch(key) and key in file.text]
    far = re.sub(r"expires=\d+", "expires=999999999999999", path)
    assert server.client.get(far).status_code == 403
    odd = re.sub(r"signature=\w+", "signature=%C3%8F", path)
    assert server.client.get(odd).status_code == 403


@pytest.mark.parametrize("role", list(Role))
def test_nobody_reads_the_servers_secrets(role: Role) -> None:
    key = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlYzE="
    with local_server(master_key=key, database_url="sqlite:////tmp/never-opened-s3cret") as server:
        for endpoint in ROUTES:
            if endpoint.verbs[0] != "GET" or "{" in endpoint.path or "live" in endpoint.path:
                continue
            text = server.client.get(endpoint.path, headers=server.bearer(role)).text
            assert key not in text, endpoint.path
            assert "s3cret" not in text, endpoint.path
