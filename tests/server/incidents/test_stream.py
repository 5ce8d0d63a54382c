"""The timeline as a stream: order, resumption, limits, ends."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from novaql.server.auth.roles import Role
from novaql.server.clock import SteppedClock
from novaql.server.db.unit import Unit
from novaql.server.http.event_stream import StreamEvent
from novaql.server.incidents import stream as timeline_stream
from tests.server.incidents.conftest import NOW, Desk
from tests.support.servers.event_streams import Events, open_stream
from tests.support.servers.http_server import local_server
from tests.support.servers.state_databases import KINDS, state_database

QUICK: dict[str, Any] = {"stream_look_s": 0.02, "stream_heartbeat_s": 0.1}


@pytest.fixture(params=KINDS)
def quick(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    """A server whose streams look often, over both kinds of database."""
    clock = SteppedClock(NOW)
    with (
        state_database(request.param, tmp_path) as database,
        local_server(clock=clock, database=database, **QUICK) as server,
    ):
        made = Desk(server, clock)
        made.service("api")
        yield made


@contextmanager
def small(**settings: Any) -> Iterator[Desk]:
    """A server over SQLite with other limits."""
    clock = SteppedClock(NOW)
    with local_server(clock=clock, **{**QUICK, **settings}) as server:
        made = Desk(server, clock)
        made.service("api")
        yield made


def url_of(incident: dict[str, str]) -> str:
    return f"/v1/incidents/{incident['id']}/timeline"


@contextmanager
def stream(
    desk: Desk, incident: dict[str, str], after: int | None = None, token: str = ""
) -> Iterator[Events]:
    headers = {"Authorization": f"Bearer {token}"} if token else desk.server.bearer(Role.READ_ONLY)
    with open_stream(desk.server.client, url_of(incident), headers, after) as events:
        yield events


def wait_for(what: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not what():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def test_the_entries_that_are_there_and_those_that_come(quick: Desk) -> None:
    incident = quick.open()
    quick.post(f"/incidents/{incident['id']}/ack")
    with stream(quick, incident) as events:
        first = events.take(2)
        quick.post(f"/incidents/{incident['id']}/comments", {"body": "line\nbreak: ä"}, 201)
        quick.post(f"/incidents/{incident['id']}/resolve", {"note": "done"})
        later = events.take(2)
        pages = quick.timeline(incident["id"])

    assert [number for number, _ in first + later] == [1, 2, 3, 4]
    assert [data for _, data in first + later] == pages


def test_it_resumes_after_an_entry(quick: Desk) -> None:
    incident = quick.open()
    for n in range(30):
        quick.post(f"/incidents/{incident['id']}/comments", {"body": str(n)}, 201)
    with stream(quick, incident, after=4) as events:
        assert [number for number, _ in events.take(27)] == list(range(5, 32))
    with stream(quick, incident, after=31) as events:
        quick.post(f"/incidents/{incident['id']}/ack")
        assert [number for number, _ in events.take(1)] == [32]


def test_entries_of_another_incident_are_not_in_it(quick: Desk) -> None:
    incident, other = quick.open(), quick.open()
    with stream(quick, incident, after=1) as events:
        quick.post(f"/incidents/{other['id']}/ack")
        quick.post(f"/incidents/{incident['id']}/ack")
        (entry,) = events.take(1)

    assert entry[0] == 2
    assert entry[1]["type"] == "acknowledged"


@pytest.mark.slow
def test_comments_show_that_it_lives(quick: Desk) -> None:
    with stream(quick, quick.open(), after=1) as events:
        assert [events.next_comment() for _ in range(3)] == ["", "", ""]


def test_a_revoked_token_ends_it(quick: Desk) -> None:
    made = quick.post("/tokens", {"name": "tail", "role": "read_only"}, 201)
    with stream(quick, quick.open(), after=1, token=made["token"]) as events:
        assert quick.ask("DELETE", f"/tokens/{made['id']}").status_code == 204
        assert list(events) == []
        assert events.comments[-1] == "the token is not valid any more"


def test_a_deactivated_owner_ends_it(quick: Desk) -> None:
    person, token = quick.colleague("bob@example.com")
    with stream(quick, quick.open(), after=1, token=token) as events:
        assert quick.ask("DELETE", f"/users/{person}").status_code in (200, 204)
        assert list(events) == []


def test_an_expired_token_ends_it() -> None:
    with small() as desk:
        expires = "2026-04-01T13:00:00Z"
        body = {"name": "tail", "role": "read_only", "expires_at": expires}
        made = desk.post("/tokens", body, 201)
        with stream(desk, desk.open(), after=1, token=made["token"]) as events:
            desk.clock.step(timedelta(hours=2))
            assert list(events) == []


def test_the_end_of_the_server_ends_it() -> None:
    with ExitStack() as stack:
        desk = stack.enter_context(small())
        events = stack.enter_context(stream(desk, desk.open(), after=1))
        events.next_comment()
        desk.server.context.lifecycle.stopping.set()
        assert list(events) == []
        assert events.comments[-1] == "the server stops"


def test_a_tenant_has_so_many_and_each_that_ends_makes_way() -> None:
    with small(max_streams=2) as desk:
        incident, streams = desk.open(), desk.server.context.pools.streams
        tenant = desk.server.context.access.default_principal.tenant_id
        with stream(desk, incident) as first, stream(desk, incident) as second:
            first.take(1), second.take(1)
            headers = desk.server.bearer() | {"Accept": "text/event-stream"}
            refused = desk.server.client.get(url_of(incident), headers=headers)
            assert desk.timeline(incident["id"])  # pages are not streams
        wait_for(lambda: streams.open_of(tenant) == 0)
        with stream(desk, incident) as again:
            assert again.take(1)

    assert refused.status_code == 429
    assert refused.json()["error"]["code"] == "too_many_streams"
    assert refused.headers["retry-after"] == "5"


@pytest.mark.slow
def test_a_backlog_is_not_sent_after_the_revocation(monkeypatch: pytest.MonkeyPatch) -> None:
    with small(stream_heartbeat_s=60.0) as desk:  # the revocation ends it, not the next heartbeat
        incident = desk.open()
        for _ in range(60):
            desk.post(f"/incidents/{incident['id']}/comments", {"body": "x"}, 201)
        token = desk.post("/tokens", {"name": "tail", "role": "read_only"}, 201)
        read = timeline_stream._entries

        def revoked(incident_id: str, unit: Unit, after: int, most: int) -> Sequence[StreamEvent]:
            """Read some entries. The token is revoked before they are sent."""
            found = read(incident_id, unit, after, most)
            desk.server.client.delete(f"/v1/tokens/{token['id']}", headers=desk.server.bearer())
            time.sleep(2 * QUICK["stream_look_s"])
            return found

        monkeypatch.setattr(timeline_stream, "_entries", revoked)
        with stream(desk, incident, token=token["token"]) as events:
            sent = list(events)
    assert 0 < len(sent) <= 40  # the batch that was read before, and at most one more
    assert events.comments[-1] == "the token is not valid any more"


@pytest.mark.slow
def test_it_is_one_request_of_the_quota() -> None:
    with small(rate_per_minute=50) as desk:
        incident = desk.open()
        with stream(desk, incident, after=1) as events:
            before = events.answer.headers["ratelimit"]
            for _ in range(5):
                events.next_comment()
        headers = desk.server.bearer(Role.READ_ONLY)
        after = desk.server.client.get(url_of(incident), headers=headers).headers["ratelimit"]

    left = [int(text.split("r=")[1].split(";")[0]) for text in (before, after)]
    assert left[0] - left[1] == 1


@pytest.mark.slow
def test_a_client_that_does_not_read_is_disconnected() -> None:
    with small(stream_stall_s=0.3) as desk:
        incident, streams = desk.open(), desk.server.context.pools.streams
        tenant = desk.server.context.access.default_principal.tenant_id
        for _ in range(400):
            desk.post(f"/incidents/{incident['id']}/comments", {"body": "x" * 10_000}, 201)
        base = desk.server.client.base_url
        with socket.socket() as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.connect((base.host, base.port))
            token = desk.server.tokens[Role.READ_ONLY]
            slow.sendall(
                f"GET {url_of(incident)} HTTP/1.1\r\nHost: {base.host}\r\n"
                f"Authorization: Bearer {token}\r\nAccept: text/event-stream\r\n\r\n".encode()
            )
            assert slow.recv(100).startswith(b"HTTP/1.1 200")
            wait_for(lambda: streams.open_of(tenant) == 0)
        with stream(desk, incident) as events:  # one that reads gets all of it
            assert [number for number, _ in events.take(401)] == list(range(1, 402))


def test_what_it_refuses(quick: Desk) -> None:
    incident = quick.open()
    headers = quick.server.bearer() | {"Accept": "text/event-stream"}

    def asked(url: str, **more: str) -> httpx.Response:
        return quick.server.client.get(url, headers={**headers, **more})

    for text in ("x", "-1", "1.0", "2"):
        assert asked(url_of(incident), **{"Last-Event-ID": text}).status_code == 400, text
    assert asked(f"{url_of(incident)}?limit=5").status_code == 400
    assert asked("/v1/incidents/inc_none/timeline").status_code == 404
    assert asked(url_of(incident), Authorization="Bearer x").status_code == 401


@pytest.mark.slow
@pytest.mark.parametrize(
    "accept", ["*/*", "application/json", "text/event-stream;q=0.5, */*", "a/b"]
)
def test_other_clients_get_pages(shared: Desk, accept: str) -> None:
    incident = shared.open()
    headers = shared.server.bearer() | {"Accept": accept}
    answer = shared.server.client.get(url_of(incident), headers=headers)
    assert [entry["seq"] for entry in answer.json()["data"]] == [1]


def test_only_the_head_of_it(shared: Desk) -> None:
    headers = shared.server.bearer() | {"Accept": "text/event-stream"}
    answer = shared.server.client.head(url_of(shared.open()), headers=headers, timeout=10)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
