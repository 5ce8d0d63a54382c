"""Every privileged write leaves one audit entry; every refused one leaves one, too."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import select

from novaql.server.auth.roles import Role
from novaql.server.db.tables import AuditEntry
from novaql.server.routes import ROUTES, Row
from tests.server.contract.conftest import TwoTenants
from tests.support.contract.route_walk import Walk, creating

PRIVILEGED = [endpoint for endpoint in ROUTES if endpoint.action is not None]
NAMES = [f"{endpoint.verbs[0]} {endpoint.path}" for endpoint in PRIVILEGED]


def entries(two: TwoTenants, request_id: str) -> list[AuditEntry]:
    with two.server.context.database.read(None) as session:
        found = session.execute(select(AuditEntry).where(AuditEntry.request_id == request_id))
        return list(found.scalars())


@pytest.mark.parametrize("endpoint", PRIVILEGED, ids=NAMES)
def test_a_refused_attempt_is_recorded(two: TwoTenants, endpoint: Row) -> None:
    assert endpoint.role is not None
    path = two.here.path_of(endpoint) or endpoint.path.replace("{", "").replace("}", "")
    for role in Role:
        if role.covers(endpoint.role):
            continue
        walk = Walk(two.server, two.server.tokens[role])
        method = next(m for m in endpoint.verbs if m != "GET")
        answer = walk.request(method, path, endpoint.example)
        (entry,) = entries(two, answer.headers["x-request-id"])

        assert answer.status_code == 403
        assert (entry.action, entry.outcome) == (endpoint.action, "denied")
        assert (entry.before, entry.after) == (None, None)
        assert entry.actor_name == "ada@example.com"


@pytest.mark.slow
def test_what_is_made_is_recorded_once_with_the_id_of_the_request(two: TwoTenants) -> None:
    examples: dict[str, Any] = {e.path: e for e in creating()}
    for path, endpoint in examples.items():
        filled = two.there.path_of(endpoint)
        if filled is None:
            continue
        answer = two.there.request("POST", filled, two.there.body_of(endpoint))
        assert answer.status_code == endpoint.success, f"{path}: {answer.text}"
        two.there.made.setdefault(path, answer.json())
        found = entries(two, answer.headers["x-request-id"])

        assert len(found) == 1, path
        (entry,) = found
        assert entry.outcome == "success"
        assert entry.after is not None
        assert entry.diff, path
        assert entry.actor_type == "user"


def test_nothing_secret_is_in_the_log_and_that_it_changed_is(two: TwoTenants) -> None:
    token = two.here.request("POST", "/v1/tokens", {"name": "ci", "role": "read_only"}).json()
    rotated = two.here.request("POST", f"/v1/tokens/{token['id']}/rotate")
    (entry,) = entries(two, rotated.headers["x-request-id"])
    with two.server.context.database.read(None) as session:
        everything = json.dumps(
            [[e.before, e.after, e.diff] for e in session.execute(select(AuditEntry)).scalars()]
        )

    assert entry.after is not None
    assert entry.after["secret"] == "[hidden, changed]"
    assert token["token"] not in everything
    assert rotated.json()["token"] not in everything


def test_a_write_that_is_rolled_back_leaves_no_entry(two: TwoTenants) -> None:
    body = {"email": "twice@example.com", "role": "operator"}
    first = two.here.request("POST", "/v1/users", body)
    second = two.here.request("POST", "/v1/users", body)

    assert (first.status_code, second.status_code) == (201, 409)
    assert len(entries(two, first.headers["x-request-id"])) == 1
    assert entries(two, second.headers["x-request-id"]) == []
