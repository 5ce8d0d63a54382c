"""Targets are checked when they are written down: ports, names and addresses."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from novaql.server.db.engine import StateDatabase
from novaql.server.errors import Unavailable
from tests.support.peers.dns_server import dns_server
from tests.support.servers.http_server import LocalServer, local_server

HOSTS = {
    "inside.example": [["10.0.0.7"]],
    "mixed.example": [["192.0.43.8", "127.0.0.1"]],
    "outside.example": [["192.0.43.8"]],
}


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    with (
        dns_server(HOSTS) as names,
        local_server(webhook_http=True, dns_server=names.address) as made,
    ):
        yield made


def bodies(url: str) -> list[tuple[str, dict[str, Any]]]:
    at = "/v1/notification-channels"
    return [
        ("/v1/webhooks", {"url": url, "events": ["*"]}),
        (at, {"name": "w", "type": "webhook", "webhook": {"url": url}}),
        (at, {"name": "s", "type": "slack", "slack": {"url": url}}),
    ]


@pytest.mark.parametrize(
    "place",
    [
        *("inside.example", "mixed.example", "outside.example:0", "outside.example:00"),
        *("outside.example:99999", "outside.example:-1", "outside.example:x", "u@outside.example"),
    ],
)
def test_urls_that_will_never_be_dialed(server: LocalServer, place: str) -> None:
    for path, body in bodies(f"https://{place}/s3cret-path"):
        answer = server.client.post(path, json=body, headers=server.bearer())
        assert answer.status_code == 422, (path, answer.text)
        assert answer.json()["error"]["code"] in ("target_not_allowed", "invalid_url")
        assert "s3cret" not in answer.text


def test_what_may_be_dialed_is_taken(server: LocalServer) -> None:
    for place in ("outside.example", "outside.example:8443", "later.example"):
        for path, body in bodies(f"https://{place}/x"):
            body = {**body, "name": f"{body['name']}-{place}"} if "name" in body else body
            answer = server.client.post(path, json=body, headers=server.bearer())
            assert answer.status_code == 201, answer.text


@pytest.mark.parametrize(
    ("change", "status"),
    [
        *(({"host": host}, 422) for host in ("inside.example", "mixed.example", "a b", "a/b")),
        *(({"port": port}, 400) for port in (0, -1, 65536)),
        ({"host": "u@outside.example"}, 422),
        ({"host": "later.example"}, 201),
        ({}, 201),
    ],
)
def test_mail_servers(server: LocalServer, change: dict[str, Any], status: int) -> None:
    mail = {"host": "outside.example", "from": "a@b.c", "to": ["a@b.c"], **change}
    body = {"name": f"mail {len(str(change))}", "type": "email", "email": mail}
    path = "/v1/notification-channels"
    answer = server.client.post(path, json=body, headers=server.bearer())
    assert answer.status_code == status, answer.text
    if status == 201 and not change:
        one = f"{path}/{answer.json()['id']}"
        inside = {"version": 1, "email": {**mail, "host": "inside.example"}}
        assert server.client.patch(one, json=inside, headers=server.bearer()).status_code == 422


def test_errors_of_the_database_do_not_show_values(
    database: StateDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    value = f"s3cret-{time.time_ns()}"
    caplog.set_level(logging.DEBUG)
    with pytest.raises((SQLAlchemyError, Unavailable)) as found, database.write(None) as session:
        session.connection().execute(text("SELECT :a FROM no_such_table"), {"a": value})
    assert value not in str(found.value)
    assert value not in caplog.text
