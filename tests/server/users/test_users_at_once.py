"""Changes of users and their tokens by several administrators at the same time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import httpx
import pytest

from novaql.server.auth import user_access
from novaql.server.users import service
from tests.support.servers.at_once import beside_unit
from tests.support.servers.http_server import LocalServer


def joined(served: LocalServer, email: str, role: str) -> dict[str, Any]:
    """A user who has accepted the invitation, and the token of the user."""
    invited = served.client.post(
        "/v1/users", json={"email": email, "role": role}, headers=served.bearer()
    ).json()
    body = {"token": invited["invitation_token"]}
    accepted: dict[str, Any] = served.client.post("/v1/invitations/accept", json=body).json()
    return accepted


def test_administrators_that_deactivate_each_other(
    served: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = (joined(served, f"{name}@example.com", "admin") for name in ("a", "b"))
    both = threading.Barrier(2)
    others_of = user_access._other_admins

    def when_both_have_their_user(*arguments: Any) -> bool:
        with suppress(threading.BrokenBarrierError):
            both.wait(timeout=1)
        return others_of(*arguments)

    monkeypatch.setattr(user_access, "_other_admins", when_both_have_their_user)

    def deactivate(user: dict[str, Any], by: dict[str, Any]) -> httpx.Response:
        headers = {"Authorization": f"Bearer {by['token']}"}
        return served.client.delete(f"/v1/users/{user['user']['id']}", headers=headers)

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(deactivate, (one, other), (other, one)))

    assert [answer.status_code for answer in answers] == [204, 204]


def test_a_token_for_a_user_that_is_being_deactivated(served: LocalServer) -> None:
    user = joined(served, "grace@example.com", "operator")["user"]
    body = {"name": "late", "role": "read_only", "owner_id": user["id"]}
    answer = beside_unit(
        served,
        lambda unit: service.deactivate(unit, user["id"]),
        lambda: served.client.post("/v1/tokens", json=body, headers=served.bearer()),
    )

    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "owner_not_active")
