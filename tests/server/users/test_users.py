"""Users: invited, accepted, changed, deactivated; always an administrator left."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from novaql.server.auth.roles import Role
from novaql.server.clock import SteppedClock, SystemClock
from tests.support.servers.http_server import LocalServer, local_server


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock(SystemClock().now())


@pytest.fixture
def fresh(clock: SteppedClock) -> Iterator[LocalServer]:
    with local_server(clock=clock) as made:
        yield made


def post(server: LocalServer, path: str, body: Any = None, **headers: str) -> httpx.Response:
    return server.client.post(path, json=body, headers=server.bearer() | headers)


def invite(server: LocalServer, email: str, role: str = "operator") -> dict[str, Any]:
    answer = post(server, "/v1/users", {"email": email, "role": role})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def accept(server: LocalServer, invited: dict[str, Any]) -> httpx.Response:
    return server.client.post("/v1/invitations/accept", json={"token": invited["invitation_token"]})


def test_an_invitation_is_accepted_once_and_gives_the_first_token(fresh: LocalServer) -> None:
    invited = invite(fresh, "grace@example.com")
    first, second = accept(fresh, invited), accept(fresh, invited)

    assert (invited["status"], first.status_code, second.status_code) == ("invited", 200, 404)
    assert first.json()["user"]["status"] == "active"
    bearer = {"Authorization": f"Bearer {first.json()['token']}"}
    assert fresh.client.get("/v1/users", headers=bearer).status_code == 403
    asked = fresh.client.post("/v1/novaql", json={"query": "1"}, headers=bearer)
    assert asked.status_code == 200


def test_an_invitation_expires_and_can_be_sent_again(
    fresh: LocalServer, clock: SteppedClock
) -> None:
    invited = invite(fresh, "grace@example.com")
    clock.step(timedelta(days=7, seconds=1))
    late = accept(fresh, invited)
    again = post(fresh, f"/v1/users/{invited['id']}/invitation")

    assert (late.status_code, late.json()["error"]["code"]) == (410, "invitation_expired")
    assert accept(fresh, again.json()).status_code == 200


def test_addresses_are_one_whatever_their_case(fresh: LocalServer) -> None:
    invite(fresh, "grace@example.com")
    taken = post(fresh, "/v1/users", {"email": "Grace@Example.COM", "role": "operator"})

    assert (taken.status_code, taken.json()["error"]["code"]) == (409, "user_exists")


def test_deactivating_ends_every_token_at_the_next_request(fresh: LocalServer) -> None:
    invited = invite(fresh, "grace@example.com")
    bearer = {"Authorization": f"Bearer {accept(fresh, invited).json()['token']}"}
    path = f"/v1/users/{invited['id']}"
    before = fresh.client.get("/api/v1/labels", headers=bearer).status_code
    ended = [fresh.client.delete(path, headers=fresh.bearer()).status_code for _ in range(2)]
    after = fresh.client.get("/api/v1/labels", headers=bearer).status_code
    listed = fresh.client.get("/v1/users?status=deactivated", headers=fresh.bearer()).json()

    assert (before, ended, after) == (200, [204, 404], 401)
    assert [user["id"] for user in listed["data"]] == [invited["id"]]


def test_what_somebody_did_keeps_their_name(fresh: LocalServer) -> None:
    invited = invite(fresh, "grace@example.com")
    bearer = {"Authorization": f"Bearer {accept(fresh, invited).json()['token']}"}
    body = {"name": "api", "owner": "team", "tier": "tier1"}
    assert fresh.client.post("/v1/services", json=body, headers=bearer).status_code == 201
    fresh.client.delete(f"/v1/users/{invited['id']}", headers=fresh.bearer())
    found = fresh.client.get("/v1/audit?action=service.create", headers=fresh.bearer()).json()
    (entry,) = found["data"]

    assert entry["actor"] == {"type": "user", "id": invited["id"], "name": "grace@example.com"}
    by_actor = fresh.client.get(f"/v1/audit?actor={invited['id']}", headers=fresh.bearer()).json()
    assert entry in by_actor["data"]


def test_the_last_administrator_stays(fresh: LocalServer) -> None:
    admins = fresh.client.get("/v1/users?role=admin", headers=fresh.bearer()).json()["data"]
    me = admins[0]
    gone = fresh.client.delete(f"/v1/users/{me['id']}", headers=fresh.bearer())
    lowered = post(fresh, f"/v1/users/{me['id']}", {"version": me["version"], "role": "operator"})

    assert len(admins) == 1
    for refused in (gone, lowered):
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "last_admin")
    other = accept(fresh, invite(fresh, "grace@example.com", "admin"))
    assert other.status_code == 200
    assert fresh.client.delete(f"/v1/users/{me['id']}", headers=fresh.bearer()).status_code == 204


def test_a_lowered_owner_lowers_their_tokens(fresh: LocalServer) -> None:
    invited = invite(fresh, "grace@example.com", "admin")
    accepted = accept(fresh, invited).json()
    bearer = {"Authorization": f"Bearer {accepted['token']}"}
    before = fresh.client.get("/v1/users", headers=bearer).status_code
    version = accepted["user"]["version"]
    changed = post(fresh, f"/v1/users/{invited['id']}", {"version": version, "role": "read_only"})
    after = fresh.client.get("/v1/users", headers=bearer).status_code

    assert (before, changed.status_code, after) == (200, 200, 403)
    path = f"/v1/tokens?owner={invited['id']}"
    (shown,) = fresh.client.get(path, headers=fresh.bearer()).json()["data"]
    assert shown["role"] == "read_only"


def test_a_change_from_an_old_version_is_refused(fresh: LocalServer) -> None:
    user = invite(fresh, "grace@example.com")
    path = f"/v1/users/{user['id']}"
    first = post(fresh, path, {"version": 1, "name": "Grace Hopper"})
    stale = post(fresh, path, {"version": 1, "name": "Somebody"})
    by_header = post(fresh, path, {"name": "Rear Admiral"}, **{"If-Match": '"2"'})
    without = post(fresh, path, {"name": "Nobody"})

    assert (first.status_code, first.json()["version"]) == (200, 2)
    assert (stale.status_code, stale.json()["error"]["code"]) == (409, "version_conflict")
    assert (by_header.status_code, by_header.json()["name"]) == (200, "Rear Admiral")
    assert without.status_code == 409


def test_only_administrators_see_users(fresh: LocalServer) -> None:
    for role in (Role.READ_ONLY, Role.OPERATOR):
        assert fresh.client.get("/v1/users", headers=fresh.bearer(role)).status_code == 403


def test_the_secret_of_an_invitation_is_in_no_path_or_query(fresh: LocalServer) -> None:
    invited = invite(fresh, "grace@example.com")
    url = httpx.URL(invited["invitation_url"])
    assert url.fragment == f"invitation={invited['invitation_token']}"
    assert invited["invitation_token"] not in url.path + url.query.decode()
    old = fresh.client.post(f"/v1/invitations/{invited['invitation_token']}/accept", json={})
    assert old.status_code == 404
    for body in ({}, {"token": ""}, {"token": 7}):
        assert fresh.client.post("/v1/invitations/accept", json=body).status_code == 400
    assert accept(fresh, invited).status_code == 200
