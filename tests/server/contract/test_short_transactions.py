"""Nothing that takes long happens while a transaction writes: it would hold up every other tenant.

Each writing route, and each job that follows, is run with alarms on what takes long: parsing of
queries, templates and YAML, evaluation, looking up names, connections, compression, sleep.
"""

from __future__ import annotations

import gzip
import pkgutil
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import yaml

import novaql.language.reading
from novaql.evaluator.context import Context
from novaql.rules.templates.parser import _Parser
from novaql.server.auth.roles import Role
from novaql.server.db.engine import StateDatabase
from novaql.server.routes import ROUTES, Row
from novaql.server.tuning import Tuning
from tests.support.contract.route_walk import Walk
from tests.support.servers.http_server import LocalServer, local_server

SLOW: list[tuple[Any, str]] = [
    (novaql.language.reading, "read"),
    (Context, "__init__"),
    (_Parser, "__init__"),
    (yaml.CSafeLoader, "__init__"),
    (yaml.SafeLoader, "__init__"),
    (socket, "getaddrinfo"),
    (socket, "create_connection"),
    (httpx.Client, "send"),
    (gzip, "compress"),
    (time, "sleep"),
]


class Alarms:
    """What was called while the calling thread had a transaction that writes."""

    def __init__(self) -> None:
        self.raised: list[str] = []
        self._here = threading.local()

    @contextmanager
    def writing(self) -> Iterator[None]:
        self._here.writes = True
        try:
            yield
        finally:
            self._here.writes = False

    def on(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*arguments: Any, **named: Any) -> Any:
            if getattr(self._here, "writes", False):
                stack = traceback.extract_stack(limit=12)
                own = [f"{f.name}:{f.lineno}" for f in stack if "/server/" in f.filename]
                self.raised.append(f"{name} by {' > '.join(own)}")
            return call(*arguments, **named)

        return watched


@pytest.fixture
def alarms(monkeypatch: pytest.MonkeyPatch) -> Alarms:
    found = Alarms()
    write = StateDatabase.write

    @contextmanager
    def watched(self: StateDatabase, *arguments: Any, **named: Any) -> Iterator[Any]:
        with write(self, *arguments, **named) as session, found.writing():
            yield session

    monkeypatch.setattr(StateDatabase, "write", watched)
    for owner, name in SLOW:
        told = f"{getattr(owner, '__name__', owner)}.{name}"
        monkeypatch.setattr(owner, name, found.on(told, getattr(owner, name)))
    return found


@pytest.fixture
def server(tuning: Tuning) -> Iterator[LocalServer]:
    with local_server(tuning=tuning) as made:
        yield made


def walk_of(server: LocalServer) -> Walk:
    lines = 'up{instance="a"} 1\n'
    answer = server.client.post(
        "/v1/ingest", content=lines, headers=server.bearer() | {"Content-Type": "text/plain"}
    )
    assert answer.status_code == 200, answer.text
    return Walk(server, server.tokens[Role.ADMIN])


def writing(*methods: str) -> list[Row]:
    return [row for row in ROUTES if row.verbs[0] in methods and row.path.startswith("/v1/")]


def test_alarms_go_off(alarms: Alarms, server: LocalServer) -> None:
    with server.context.database.write(None):
        socket.getaddrinfo("127.0.0.1", 80)
    socket.getaddrinfo("127.0.0.1", 80)
    assert len(alarms.raised) == 1


@pytest.mark.slow
def test_no_route_does_slow_work_in_its_transaction(alarms: Alarms, server: LocalServer) -> None:
    walk = walk_of(server)
    walk.make()
    assert alarms.raised == []
    good: set[str] = set()
    for row in [*writing("POST"), *writing("PATCH"), *writing("PUT"), *writing("DELETE")]:
        path = walk.path_of(row)
        if path is None:
            continue
        answer = walk.request(row.verbs[0], path, row.example)
        if answer.status_code < 300:
            good.add(f"{row.verbs[0]} {row.path}")
        server.run_jobs()
        assert alarms.raised == [], row.path
    for wanted in (
        "POST /v1/alert-rules/import",
        "POST /v1/alert-routing/test",
        "POST /v1/alert-routing/import",
        "POST /v1/slo/import",
        "POST /v1/audit/export",
        "PATCH /v1/alert-rules/{id}",
        "PATCH /v1/services/{name}",
        "POST /v1/dashboards/import",
    ):
        assert wanted in good, sorted(good)


SCIM_SLOW = (
    "novaql.server.scim.router.parse_json",
    "novaql.server.scim.answering.plainly",
    "novaql.server.scim.answering.member_changes",
    "scim2_models.PatchOp.patch",
    "scim2_server.service.ScimService.read_body",
    "scim2_server.service.ScimService.read_search",
    "scim2_server.service.ScimService.publish",
    "scim2_server.service.ScimService.bulk_response",
)
"""Names, since importing the libraries takes a second."""
_CORE = "urn:ietf:params:scim:schemas:core:2.0"
_PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
_BULK = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
_SEARCH = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"


def test_scim_parses_validates_and_answers_outside_of_transactions(
    alarms: Alarms, server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in SCIM_SLOW:
        monkeypatch.setattr(name, alarms.on(name, pkgutil.resolve_name(name)))
    writes: list[str] = []
    write = StateDatabase.write

    @contextmanager
    def counted(self: StateDatabase, *arguments: Any, **named: Any) -> Iterator[Any]:
        if arguments != (None,):
            writes.append("write")
        with write(self, *arguments, **named) as session:
            yield session

    monkeypatch.setattr(StateDatabase, "write", counted)

    def ask(method: str, path: str, body: Any = None, status: int = 200) -> Any:
        answer = server.client.request(
            method, f"/scim/v2{path}", json=body, headers=server.bearer()
        )
        assert answer.status_code == status, answer.text
        assert alarms.raised == [], (method, path)
        return answer.json() if answer.content else None

    def patch(path: str, *operations: dict[str, Any], status: int = 204) -> None:
        ask("PATCH", path, {"schemas": [_PATCH], "Operations": list(operations)}, status)

    def user(name: str) -> dict[str, Any]:
        return {"schemas": [f"{_CORE}:User"], "userName": name}

    made = ask("POST", "/Users", user("ada"), 201)
    one = f"/Users/{made['id']}"
    ask("PUT", one, user("ada") | {"displayName": "Ada"})
    patch(one, {"op": "replace", "path": "displayName", "value": "Countess"})
    body = {"schemas": [f"{_CORE}:Group"], "displayName": "g", "members": [{"value": made["id"]}]}
    group = f"/Groups/{ask('POST', '/Groups', body, 201)['id']}"
    patch(group, {"op": "remove", "path": f'members[value eq "{made["id"]}"]'})
    patch(group, {"op": "replace", "path": "members", "value": [{"value": made["id"]}]})
    before = len(writes)
    search = {"schemas": [_SEARCH], "filter": 'displayName co "ount"'}
    assert ask("POST", "/.search", search)["totalResults"] == 1
    assert len(writes) == before, "a search is no change"
    bulk = [
        {"method": "POST", "path": "/Users", "bulkId": str(n), "data": user(f"u{n}")}
        for n in range(3)
    ]
    bulk.append({"method": "DELETE", "path": one})
    done = ask("POST", "/Bulk", {"schemas": [_BULK], "Operations": bulk})
    assert [operation["status"] for operation in done["Operations"]] == ["201"] * 3 + ["204"]
    assert len(writes) >= before + 4, "each operation is a transaction of its own"
    ask("DELETE", group, status=204)


@pytest.mark.slow
@pytest.mark.parametrize("tuning", [Tuning(export_at_once=0)], ids=[""])
def test_a_large_export_is_written_outside_of_transactions(
    alarms: Alarms, server: LocalServer
) -> None:
    walk = walk_of(server)
    walk.make()
    span = {"from": "2020-01-01T00:00:00Z", "to": "2020-12-31T00:00:00Z", "format": "csv"}
    asked = walk.request("POST", "/v1/audit/export", span)
    assert asked.status_code in (201, 202), asked.text
    server.run_jobs()
    shown = walk.request("GET", f"/v1/audit/exports/{asked.json()['id']}").json()
    assert shown["status"] == "ready"
    assert alarms.raised == []
