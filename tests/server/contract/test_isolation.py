"""Another tenant sees what a stranger sees, on every path with an id, and in every query."""

from __future__ import annotations

import re

import httpx
import pytest

from novaql.server.auth.roles import Role
from novaql.server.ids import new_id
from novaql.server.routes import ROUTES, Row
from tests.server.contract.conftest import TwoTenants
from tests.support.contract.route_walk import ID
from tests.support.messages.remote_write_messages import message_of, packed
from tests.support.servers.http_server import WRITE_HEADERS

pytestmark = pytest.mark.slow

REQUEST_ID = re.compile(r"req_[0-7][0-9A-HJKMNP-TV-Z]{25}")
WITH_KEY = [
    (method, endpoint)
    for endpoint in ROUTES
    for method in endpoint.verbs
    if "{" in endpoint.path and endpoint.path.startswith("/v1/") and endpoint.role is not None
]


def never(key: str) -> str:
    """A key of the same form that nobody ever had."""
    return new_id(key.partition("_")[0]) if ID.fullmatch(key) else f"{key}-never-was"


def seen(answer: httpx.Response, key: str) -> tuple[int, str, str]:
    """An answer without what must differ: the key that was asked for, and the request's id."""
    named = re.sub(rf"(?<!\w){re.escape(key)}(?!\w)", "KEY", answer.text)
    text = REQUEST_ID.sub("REQ", named)
    return answer.status_code, answer.headers.get("content-type", ""), text


def ask(two: TwoTenants, method: str, endpoint: Row, key: str) -> httpx.Response:
    path = re.sub(r"\{\w+\}", key, endpoint.path)
    return two.there.request(method, path, endpoint.example)


def test_something_was_made(two: TwoTenants) -> None:
    assert {"/v1/users", "/v1/tokens"} <= two.here.made.keys()


@pytest.mark.parametrize(
    ("method", "endpoint"), WITH_KEY, ids=[f"{method} {e.path}" for method, e in WITH_KEY]
)
def test_another_tenants_keys_are_unknown(two: TwoTenants, method: str, endpoint: Row) -> None:
    for key in two.here.everything():
        made_up = never(key)
        theirs = seen(ask(two, method, endpoint, key), key)
        nobodys = seen(ask(two, method, endpoint, made_up), made_up)

        assert theirs == nobodys


def test_nothing_of_the_first_tenant_was_touched(two: TwoTenants) -> None:
    for endpoint in ROUTES:
        if endpoint.verbs == ("GET",) and "{" in endpoint.path and endpoint.role is not None:
            path = two.here.path_of(endpoint)
            if path is not None:
                assert two.here.request("GET", path).status_code == 200, path


def test_lists_show_the_own_tenant_only(two: TwoTenants) -> None:
    shown = []
    for endpoint in ROUTES:
        if endpoint.role is None:
            continue
        if endpoint.verbs == ("GET",) and endpoint.query is not None and "{" not in endpoint.path:
            answer = two.there.request("GET", endpoint.path)
            assert answer.status_code == 200, endpoint.path
            for key in two.here.everything():
                assert not ID.fullmatch(key) or key not in answer.text
            shown.append(endpoint.path)
    assert "/v1/tokens" in shown


def test_a_cursor_of_another_tenant_is_invalid(two: TwoTenants) -> None:
    for number in range(3):
        two.here.request("POST", "/v1/tokens", {"name": f"t{number}", "role": "read_only"})
    cursor = two.here.request("GET", "/v1/tokens?limit=1").json()["next_cursor"]
    foreign = two.there.request("GET", f"/v1/tokens?limit=1&cursor={cursor}")

    assert two.here.request("GET", f"/v1/tokens?limit=1&cursor={cursor}").status_code == 200
    assert (foreign.status_code, foreign.json()["error"]["code"]) == (400, "invalid_cursor")


def write(two: TwoTenants, token: str, job: str) -> None:
    series = [({"__name__": "up", "job": job, "tenant": job}, [(1_700_000_000_000, 1.0)])]
    answer = two.server.client.post(
        "/prometheus/api/v1/write",
        content=packed(message_of(series)),
        headers=WRITE_HEADERS | {"Authorization": f"Bearer {token}"},
    )
    assert answer.status_code == 204, answer.text


@pytest.mark.parametrize(
    "selector", ["up", '{__name__!=""}', '{tenant=~".+"}', '{job=~"alpha|omega"}', "count(up)"]
)
def test_queries_stay_in_their_tenant(two: TwoTenants, selector: str) -> None:
    write(two, two.here.token, "alpha")
    write(two, two.there.token, "omega")
    body = {"query": selector, "time": 1_700_000_000}
    for walk, own, foreign in ((two.here, "alpha", "omega"), (two.there, "omega", "alpha")):
        text = walk.request("POST", "/v1/novaql", body).text
        assert foreign not in text
        assert own in text or selector == "count(up)"
        if selector == "count(up)":
            assert '"value":[1700000000,1]' in text.replace(".0", "")
        bearer = {"Authorization": f"Bearer {walk.token}"}
        for path in (
            "/api/v1/label/job/values",
            "/api/v1/series?match[]=up",
            "/federate?match[]=up",
        ):
            assert foreign not in two.server.client.get(path, headers=bearer).text


def test_a_weak_token_of_the_right_tenant_is_no_stranger(two: TwoTenants) -> None:
    path = f"/v1/tokens/{two.here.made['/v1/tokens']['id']}"
    weak = {"Authorization": f"Bearer {two.server.tokens[Role.READ_ONLY]}"}

    assert two.server.client.get(path, headers=weak).status_code == 403
