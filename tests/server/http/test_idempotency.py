"""A POST that is sent twice is done once, also at the same time, and by several processes."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from novaql.server.auth.bootstrap import add_tenant
from novaql.server.auth.roles import Role
from novaql.server.clock import SteppedClock
from novaql.server.db.engine import StateDatabase
from novaql.server.db.tables import AuditEntry, Event, IdempotencyKey, User
from tests.server.conftest import MASTER_KEY
from tests.support.servers.http_server import LocalServer, local_server, token_of
from tests.support.servers.state_databases import another

BODY = {"email": "grace@example.com", "role": "operator"}


def invite(server: LocalServer, key: str, body: Any = BODY, token: str = "") -> httpx.Response:
    bearer = {"Authorization": f"Bearer {token}"} if token else server.bearer()
    return server.client.post("/v1/users", json=body, headers=bearer | {"Idempotency-Key": key})


def count(database: StateDatabase, table: Any) -> int:
    with database.read(None) as session:
        return session.execute(select(func.count()).select_from(table)).scalar_one()


def test_the_second_request_gets_the_first_answer(
    served: LocalServer, database: StateDatabase
) -> None:
    first, second = invite(served, "k1"), invite(served, '"k1"')

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert second.headers["location"] == first.headers["location"]
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    assert count(database, User) == 2
    assert count(database, AuditEntry) == 1
    assert count(database, Event) == 1


def test_another_request_with_the_key_is_refused(served: LocalServer) -> None:
    invite(served, "k1")
    other = invite(served, "k1", BODY | {"role": "admin"})

    assert (other.status_code, other.json()["error"]["code"]) == (422, "idempotency_key_reused")


def test_a_failed_request_does_not_use_the_key_up(served: LocalServer) -> None:
    wrong = invite(served, "k1", {"email": "grace@example.com"})
    weak = invite(served, "k1", token=served.tokens[Role.READ_ONLY])
    right = invite(served, "k1")
    taken = invite(served, "k2")
    other = invite(served, "k2", {"email": "other@example.com", "role": "operator"})

    statuses = [answer.status_code for answer in (wrong, weak, right, taken, other)]
    assert statuses == [400, 403, 201, 409, 201]


def test_a_key_belongs_to_its_token_and_version(
    served: LocalServer, database: StateDatabase, clock: SteppedClock
) -> None:
    second = token_of(database, served.context.access.default_principal.tenant_id, Role.ADMIN)
    invite(served, "k1")
    by_other_token = invite(served, "k1", token=second)
    elsewhere = add_tenant(database, clock, "other").id
    by_other_tenant = invite(served, "k1", token=token_of(database, elsewhere, Role.ADMIN))

    assert by_other_token.status_code == 409  # it was done, and there is such a user already
    assert by_other_tenant.status_code == 201
    assert "idempotent-replayed" not in by_other_tenant.headers


def test_a_key_is_kept_for_a_day(served: LocalServer, clock: SteppedClock) -> None:
    body = {"name": "ci", "role": "read_only"}

    def issue() -> httpx.Response:
        headers = served.bearer() | {"Idempotency-Key": "k1"}
        return served.client.post("/v1/tokens", json=body, headers=headers)

    first = issue()
    clock.step(timedelta(hours=23, minutes=59))
    same = issue()
    clock.step(timedelta(minutes=1))
    fresh = issue()

    assert first.json()["token"] == same.json()["token"] != fresh.json()["token"]


def test_what_is_kept_is_encrypted(served: LocalServer, database: StateDatabase) -> None:
    headers = served.bearer() | {"Idempotency-Key": "k1"}
    body = {"name": "ci", "role": "read_only"}
    secret = served.client.post("/v1/tokens", json=body, headers=headers).json()["token"]
    with database.read(None) as session:
        kept = session.execute(select(IdempotencyKey)).scalar_one()

    assert secret not in kept.body
    assert kept.status == 201


@pytest.mark.parametrize("key", ["", "x" * 256, "naïve", "a\tb"])
def test_keys_that_are_none(served: LocalServer, key: str) -> None:
    headers = {name.encode(): value.encode() for name, value in served.bearer().items()}
    answer = served.client.post(
        "/v1/users", json=BODY, headers=headers | {b"Idempotency-Key": key.encode()}
    )

    assert answer.status_code == 400


@pytest.fixture
def beside(served: LocalServer, clock: SteppedClock) -> Iterator[LocalServer]:
    """A second server over the same database, as another process would be."""
    state = another(served.context.database)
    with local_server(database=state, clock=clock, master_key=MASTER_KEY) as made:
        yield made


def test_parallel_requests_do_it_once_over_several_servers(
    served: LocalServer, beside: LocalServer, database: StateDatabase
) -> None:
    token = served.tokens[Role.ADMIN]
    with ThreadPoolExecutor(16) as pool:
        ways = [served, beside] * 8
        answers = list(pool.map(lambda way: invite(way, "k1", token=token), ways))
    statuses = {answer.status_code for answer in answers}
    made = {answer.json()["id"] for answer in answers if answer.status_code == 201}
    codes = {a.json()["error"]["code"] for a in answers if a.status_code == 409}

    assert statuses <= {201, 409}
    assert len(made) == 1
    assert codes <= {"idempotency_in_flight"}
    assert count(database, User) == 2
