"""Streams of a timeline over several processes: resumed, revoked, and ended with the server."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.servers.event_streams import open_stream
from tests.support.servers.http_server import ServerProcess, server_process, workers_of
from tests.support.servers.state_databases import KINDS, postgresql_url

pytestmark = pytest.mark.slow

SETTINGS = {
    "rate_per_minute": "0",
    "rate_per_day": "0",
    "sync": "os",
    "stream_look_s": "0.05",
    "stream_heartbeat_s": "0.5",
    "max_streams": "100",
}
COMMENTS = 300


@pytest.fixture(params=KINDS)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ServerProcess]:
    """Two workers, over both kinds of database."""
    settings = dict(SETTINGS)
    if request.param == "postgresql":
        settings["database_url"] = postgresql_url()
    with server_process(tmp_path / "data", "--workers", "2", settings=settings) as started:
        yield started


def client_of(server: ServerProcess, token: str | None = None) -> httpx.Client:
    """A client without kept connections, so that any worker may answer."""
    headers = {"Authorization": f"Bearer {token or server.token}"}
    once = httpx.Limits(max_keepalive_connections=0)
    return httpx.Client(base_url=server.url, headers=headers, limits=once, timeout=30)


def opened(client: httpx.Client) -> str:
    body = {"title": "errors", "severity": "sev2", "services": []}
    answer = client.post("/v1/incidents", json=body)
    assert answer.status_code == 201
    return f"/v1/incidents/{answer.json()['id']}"


def comment(client: httpx.Client, url: str, text: str) -> None:
    assert client.post(f"{url}/comments", json={"body": text}).status_code == 201


def followed(server: ServerProcess, url: str, seed: int) -> list[tuple[int, dict[str, Any]]]:
    """All events, from many streams that end after a few events each."""
    draw, seen = random.Random(seed), list[tuple[int, dict[str, Any]]]()
    with client_of(server) as client:
        while len(seen) < COMMENTS + 1:
            wanted = min(draw.randint(1, 25), COMMENTS + 1 - len(seen))
            after = seen[-1][0] if seen else None
            with open_stream(client, f"{url}/timeline", {}, after) as events:
                seen += events.take(wanted)
    return seen


def test_clients_that_reconnect_miss_and_repeat_nothing(server: ServerProcess) -> None:
    with client_of(server) as client, ThreadPoolExecutor(6) as threads:
        url = opened(client)
        readers = [threads.submit(followed, server, url, seed) for seed in range(4)]

        def write() -> None:
            for n in range(COMMENTS // 2):
                comment(client, url, str(n))

        writers = [threads.submit(write) for _ in range(2)]
        for done in writers:
            done.result(timeout=120)
        found = [reader.result(timeout=120) for reader in readers]
        pages: list[dict[str, Any]] = []
        cursor = None
        while cursor is not None or not pages:
            parameters = {"limit": 100} | ({} if cursor is None else {"cursor": cursor})
            page = client.get(f"{url}/timeline", params=parameters).json()
            pages, cursor = pages + page["data"], page.get("next_cursor")

    for events in found:
        assert [number for number, _ in events] == list(range(1, COMMENTS + 2))
        assert [data for _, data in events] == pages


def test_a_tenant_has_so_many_over_all_workers(tmp_path: Path) -> None:
    settings = {**SETTINGS, "max_streams": "4"}
    with (
        server_process(tmp_path / "data", "--workers", "2", settings=settings) as server,
        client_of(server) as client,
        ExitStack() as open_streams,
    ):
        url = f"{opened(client)}/timeline"
        # A stream closes when the iterator over it is garbage.
        tails = [open_streams.enter_context(open_stream(client, url, {})) for _ in range(4)]
        assert [len(tail.take(1)) for tail in tails] == [1] * 4
        refused = []
        for _ in range(12):
            with client.stream("GET", url, headers={"Accept": "text/event-stream"}) as answer:
                refused.append(answer.status_code)
        assert refused == [429] * 12


def test_revoked_tokens_end_streams_in_every_worker(server: ServerProcess) -> None:
    with client_of(server) as client:
        url = opened(client)
        body = {"name": "tail", "role": "read_only"}
        made = client.post("/v1/tokens", json=body).json()
        started = threading.Barrier(7)

        def tail() -> tuple[int, list[str]]:
            with client_of(server, made["token"]) as own:
                with open_stream(own, f"{url}/timeline", {}, 1) as events:
                    started.wait(timeout=60)
                    rest = list(events)
                return len(rest), events.comments

        with ThreadPoolExecutor(6) as threads:
            tails = [threads.submit(tail) for _ in range(6)]
            started.wait(timeout=60)
            assert client.delete(f"/v1/tokens/{made['id']}").status_code == 204
            ends = [one.result(timeout=60) for one in tails]
            refused = client.get(
                f"{url}/timeline", headers={"Authorization": f"Bearer {made['token']}"}
            )

    assert {count for count, _ in ends} == {0}
    assert {comments[-1] for _, comments in ends} == {"the token is not valid any more"}
    assert refused.status_code == 401


def test_streams_end_when_the_server_stops(server: ServerProcess) -> None:
    with client_of(server) as client:
        url = opened(client)
        started = threading.Barrier(5)

        def tail() -> list[str]:
            with client_of(server) as own:
                with open_stream(own, f"{url}/timeline", {}, 1) as events:
                    started.wait(timeout=60)
                    assert list(events) == []
                return events.comments

        with ThreadPoolExecutor(4) as threads:
            tails = [threads.submit(tail) for _ in range(4)]
            started.wait(timeout=60)
            assert server.stop() == 0
            ends = [one.result(timeout=60) for one in tails]

    assert {comments[-1] for comments in ends} == {"the server stops"}


def written(server: ServerProcess, url: str, body: dict[str, str], key: str) -> None:
    """A write that is tried again, with the same key, if its connection breaks off."""
    while True:
        with suppress(httpx.TransportError), client_of(server) as client:
            answer = client.post(url, json=body, headers={"Idempotency-Key": key})
            assert answer.status_code in (200, 201)
            return


def until_resolved(server: ServerProcess, url: str) -> list[tuple[int, dict[str, Any]]]:
    """All events until the resolution, over streams that break off."""
    seen = list[tuple[int, dict[str, Any]]]()
    while not seen or seen[-1][1]["type"] != "resolved":
        after = seen[-1][0] if seen else None
        with (
            suppress(httpx.TransportError),
            client_of(server) as client,
            open_stream(client, f"{url}/timeline", {}, after) as events,
        ):
            for event in events:
                seen.append(event)
                if event[1]["type"] == "resolved":
                    break
    return seen


def test_streams_go_on_after_their_workers_are_killed(server: ServerProcess) -> None:
    with client_of(server) as client, ThreadPoolExecutor(3) as threads:
        url = opened(client)
        readers = [threads.submit(until_resolved, server, url) for _ in range(3)]
        for n in range(60):
            written(server, f"{url}/comments", {"body": str(n)}, key=f"k{n}")
            if n in (15, 30):
                for worker in workers_of(server):
                    worker.kill()
        written(server, f"{url}/resolve", {"note": "done"}, key="end")
        found = [reader.result(timeout=120) for reader in readers]

    for events in found:
        assert [number for number, _ in events] == list(range(1, 63))
        bodies = [data["data"]["body"] for _, data in events[1:-1]]
        assert bodies == [str(n) for n in range(60)]
