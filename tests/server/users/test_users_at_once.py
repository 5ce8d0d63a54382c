"""Changes of users and their tokens by several administrators at the same time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import event

from novaql.server.auth import user_access
from novaql.server.auth.accounts import Accounts
from novaql.server.clock import SteppedClock
from novaql.server.users import service
from tests.support.servers.at_once import WAIT_S, beside_unit
from tests.support.servers.http_server import LocalServer


def joined(served: LocalServer, email: str, role: str) -> dict[str, Any]:
    """A user who has accepted the invitation, and the token of the user."""
    invited = served.client.post(
        "/v1/users", json={"email": email, "role": role}, headers=served.bearer()
    ).json()
    body = {"token": invited["invitation_token"]}
    accepted: dict[str, Any] = served.client.post("/v1/invitations/accept", json=body).json()
    return accepted


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_token_for_a_user_that_is_being_deactivated(served: LocalServer) -> None:
    user = joined(served, "grace@example.com", "operator")["user"]
    body = {"name": "late", "role": "read_only", "owner_id": user["id"]}
    answer = beside_unit(
        served,
        lambda unit: service.deactivate(unit, user["id"]),
        lambda: served.client.post("/v1/tokens", json=body, headers=served.bearer()),
    )

    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "owner_not_active")


def test_a_user_is_deactivated_while_the_uses_of_tokens_are_stored(
    served: LocalServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    user = joined(served, "grace@example.com", "operator")
    services = {"Authorization": f"Bearer {user['token']}"}
    assert served.client.get("/v1/services", headers=services).status_code == 200
    accounts = served.context.access.accounts
    assert accounts is not None
    set_access = user_access.set_access

    def when_it_has_the_user(*arguments: Any, **more: Any) -> None:
        wait([pool.submit(accounts.write_uses)], timeout=WAIT_S)
        set_access(*arguments, **more)

    if not served.context.database.is_sqlite:
        monkeypatch.setattr(service, "set_access", when_it_has_the_user)
    path = f"/v1/users/{user['user']['id']}"
    with ThreadPoolExecutor(1) as pool:
        answer = served.client.delete(path, headers=served.bearer())
        pool.submit(accounts.write_uses).result()

    assert answer.status_code == 204, answer.text
    assert "failed" not in caplog.text


def test_two_workers_store_uses_of_the_same_tokens(
    served: LocalServer, clock: SteppedClock
) -> None:
    database, clocks = served.context.database, (clock, SteppedClock(clock.now()))
    users = [joined(served, f"{name}@example.com", "operator") for name in ("a", "b")]
    workers = [Accounts(database, one) for one in clocks]
    for worker, own, order in zip(workers, clocks, (users, users[::-1]), strict=True):
        own.step(timedelta(minutes=2))
        for user in order:
            found = worker.find(user["token"])
            assert found is not None
            worker.note_use(found)
            own.step(timedelta(seconds=1))
    if not database.is_sqlite:
        both = threading.Barrier(2)

        def meet(*_: Any) -> None:
            with suppress(threading.BrokenBarrierError):
                both.wait(timeout=1)

        event.listen(database.engine, "after_cursor_execute", meet)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(Accounts.write_uses, workers))
