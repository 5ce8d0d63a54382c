"""A server on a disk that is full or read-only: it lives, answers, refuses writes, and goes on."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from novaql import query, tsdb
from tests.support.disks.small_disk import SmallDisk, small_disk
from tests.support.messages.remote_write_messages import message_of, packed
from tests.support.servers import patiently
from tests.support.servers.forked import novaql
from tests.support.servers.http_server import WRITE_HEADERS, ServerProcess, server_process
from tests.support.store.model import batch_of

pytestmark = pytest.mark.slow

START_S = 1_700_000_000
SERIES = 200
SCRAPE = [({"__name__": "m", "i": str(i)}, START_S * 1000, 1.0) for i in range(SERIES)]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", 24) as made:
        yield made


@dataclass
class Client:
    """Writes a scrape a second, counts those that were taken, and asks for them."""

    server: ServerProcess
    token: str | None
    sent: int = 0
    taken: int = 0

    @property
    def headers(self) -> dict[str, str]:
        return {} if self.token is None else {"Authorization": f"Bearer {self.token}"}

    def write(self) -> httpx.Response:
        at = (START_S + self.sent) * 1000
        series = [({"__name__": "m", "i": str(i)}, [(at, random.random())]) for i in range(SERIES)]
        self.sent += 1
        answer = patiently.post(
            f"{self.server.url}/api/v1/write",
            content=packed(message_of(series)),
            headers=WRITE_HEADERS | self.headers,
            timeout=30,
        )
        self.taken += answer.status_code == 204
        return answer

    def export(self, number: int) -> httpx.Response:
        """An OTLP message with one point."""
        point = {"timeUnixNano": str((START_S + number) * 10**9), "asDouble": 1.0}
        metric = {"name": "load", "gauge": {"dataPoints": [point]}}
        body = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}
        where = f"{self.server.url}/api/v1/otlp/v1/metrics"
        return patiently.post(where, json=body, headers=self.headers, timeout=30)

    def write_until_refused(self) -> httpx.Response:
        for _ in range(5000):
            answer = self.write()
            if answer.status_code != 204:
                return answer
        raise AssertionError("it took everything")

    def write_until_taken(self, seconds: float = 120) -> None:
        end = time.monotonic() + seconds
        while self.write().status_code != 204:
            assert time.monotonic() < end, "it takes nothing though there is room"
            time.sleep(0.2)

    def must_answer(self) -> None:
        """Both dialects find every scrape that was taken, and no other."""
        body: dict[str, Any] = {"query": "count_over_time(m[1d])", "time": START_S + 80_000}
        where = self.server.url
        novel = httpx.post(f"{where}/v1/novaql", json=body, headers=self.headers, timeout=30)
        assert novel.status_code == 200, novel.text
        counts = [float(series["value"][1]) for series in novel.json()["result"]]
        assert counts == [self.taken] * SERIES
        theirs = httpx.get(f"{where}/api/v1/query", params=body, headers=self.headers, timeout=30)
        assert theirs.status_code == 200, theirs.text
        found = theirs.json()["data"]["result"]
        assert [float(series["value"][1]) for series in found] == [self.taken] * SERIES
        assert httpx.get(f"{where}/readyz", timeout=30).status_code == 200


def must_be_retryable(answer: httpx.Response, why: str) -> None:
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.json()["errorType"] == "unavailable"
    assert why in answer.json()["error"]
    assert "/disk" not in answer.json()["error"], "where the data is, is no business of a client"


def test_a_full_disk_under_a_running_server(disk: SmallDisk) -> None:
    with server_process(disk.path / "data", "--sync", "always") as server:
        client = Client(server, server.token)
        for _ in range(5):
            assert client.write().status_code == 204
        disk.fill()
        must_be_retryable(client.write_until_refused(), "No space left on device")
        client.must_answer()
        refused = (client.export(n) for n in range(1000))  # what is small may fit into a page yet
        otlp = next(answer for answer in refused if answer.status_code != 200)
        assert otlp.status_code == 503, otlp.text
        assert int(otlp.headers["Retry-After"]) > 0
        disk.free()
        client.write_until_taken()
        client.must_answer()
        changed = patiently.post(f"{server.url}/v1/tokens", json=TOKEN, headers=client.headers)
        assert changed.status_code == 201, changed.text
        assert server.stop() == 0


TOKEN = {"name": "ci", "role": "read_only"}
SERVICE = {"name": "checkout", "owner": "shop", "tier": "tier1"}


@pytest.mark.parametrize(("end", "auth"), [("stop", True), ("kill", False)])
def test_a_server_starts_on_a_full_disk(disk: SmallDisk, end: str, auth: bool) -> None:
    arguments = ["--sync", "always", *([] if auth else ["--no-auth"])]
    with server_process(disk.path / "data", *arguments) as server:
        client = Client(server, server.token)
        for _ in range(5):
            assert client.write().status_code == 204
        if end == "kill":
            server.kill()
        else:
            assert server.stop() == 0
    disk.fill()
    with server_process(disk.path / "data", *arguments) as server:
        client.server = server
        client.must_answer()
        must_be_retryable(client.write_until_refused(), "No space left on device")
        client.must_answer()
        if auth:
            refused = patiently.post(f"{server.url}/v1/tokens", json=TOKEN, headers=client.headers)
            assert refused.status_code == 503, refused.text
            assert refused.headers["Retry-After"]
        disk.free()
        client.write_until_taken()
        client.must_answer()
        if auth:  # what the server itself keeps can be changed again, too, and stays
            time.sleep(1.1)
            made = patiently.post(f"{server.url}/v1/tokens", json=TOKEN, headers=client.headers)
            assert made.status_code == 201, made.text
            client.token = made.json()["token"]
        assert server.stop() == 0
    with server_process(disk.path / "data", *arguments) as server:
        client.server = server
        client.must_answer()


@pytest.mark.parametrize("room", [0, 40 << 10])
def test_a_new_server_on_a_full_disk_needs_a_place_for_tokens(
    disk: SmallDisk, tmp_path: Path, room: int
) -> None:
    """A store that never had a server: without tokens it is served, with them it cannot be."""
    data, log = tmp_path / "data", tmp_path / "data.log"  # the log is on another disk
    data.symlink_to(disk.path / "data")
    with tsdb.open(disk.path / "data") as database:
        database.append(batch_of(SCRAPE))
    disk.fill(but=room)
    with pytest.raises(AssertionError), server_process(data):
        pass
    assert "NOVAQL_DATABASE_URL" in log.read_text()
    with server_process(data, "--no-auth") as server:
        client = Client(server, None, sent=1, taken=1)
        client.must_answer()
        must_be_retryable(client.write_until_refused(), "No space left on device")
        disk.free()
        client.write_until_taken()
        client.must_answer()
        assert server.stop() == 0
    assert "Traceback" not in log.read_text()
    with server_process(data, "--no-auth") as server:
        client.server = server
        client.must_answer()
        made = patiently.post(f"{server.url}/v1/services", json=SERVICE)
        assert made.status_code == 201, made.text


def test_backups_of_a_full_disk_and_onto_one(disk: SmallDisk, tmp_path: Path) -> None:
    data, copy = disk.path / "data", tmp_path / "copy"
    with server_process(data, "--sync", "always") as server:
        client = Client(server, server.token)
        assert client.write().status_code == 204
        assert server.stop() == 0
    for room in (0, 40 << 10, 400 << 10):
        disk.fill(but=room)
        done = novaql("admin", "backup", str(disk.path / "copy"), "--data", str(data), check=False)
        assert done.returncode == 1
        assert "disk is full" in done.stderr or "No space left on device" in done.stderr
        assert "Traceback" not in done.stderr
        assert list(disk.path.rglob("*.new")) == []
        disk.free()

    disk.fill()
    done = novaql("admin", "backup", str(copy), "--data", str(data), check=False)
    assert done.returncode == 0, done.stderr
    assert f"samples: {SERIES}" in done.stdout
    novaql("admin", "restore", str(copy), str(tmp_path / "back"))
    with server_process(tmp_path / "back") as server:
        client.server = server
        client.must_answer()


@pytest.mark.parametrize(("end", "auth"), [("stop", True), ("kill", False)])
def test_a_read_only_mount_serves_queries(
    disk: SmallDisk, tmp_path: Path, end: str, auth: bool
) -> None:
    arguments = [] if auth else ["--no-auth"]
    with server_process(disk.path / "data", *arguments) as server:
        client = Client(server, server.token)
        for _ in range(5):
            assert client.write().status_code == 204
        if end == "kill":
            server.kill()
        else:
            assert server.stop() == 0
    before = {p: p.read_bytes() for p in (disk.path / "data").rglob("*") if p.is_file()}
    with disk.seen_read_only(tmp_path / "seen") as seen:
        log = tmp_path / "data.log"
        (tmp_path / "data").symlink_to(seen / "data")
        with server_process(tmp_path / "data", *arguments) as server:
            client.server = server
            client.must_answer()
            must_be_retryable(client.write(), "opened for reading only")
            client.must_answer()
            if auth:
                wrong = patiently.post(f"{server.url}/v1/novaql", json={"query": "1"})
                assert wrong.status_code == 401
                changed = patiently.post(
                    f"{server.url}/v1/tokens", json=TOKEN, headers=client.headers
                )
                assert changed.status_code == 503, changed.text
            assert server.stop() == 0
        said = log.read_text()
        assert "Read-only file system" in said
        assert "queries are served" in said
        assert "Traceback" not in said, said[-4000:]
        # The library, too: by itself, and by the path.
        with tsdb.open(seen / "data", read_only=True) as database:
            assert len(database.series([[]], 0, 2**60)) == SERIES
        with pytest.raises(tsdb.WriteFailed, match="read_only=True"):
            tsdb.open(seen / "data")
        result = query("count(m)", seen / "data", time=START_S + 4)
        assert result.values.tolist() == [[SERIES]]
    assert before == {p: p.read_bytes() for p in (disk.path / "data").rglob("*") if p.is_file()}


def test_a_new_server_on_a_read_only_mount_needs_a_place_for_tokens(
    disk: SmallDisk, tmp_path: Path
) -> None:
    """A store that never had a server: without tokens it is served, with them it cannot be."""
    with tsdb.open(disk.path / "data") as database:
        database.append(batch_of(SCRAPE))
    with disk.seen_read_only(tmp_path / "seen") as seen:
        (tmp_path / "data").symlink_to(seen / "data")
        with server_process(tmp_path / "data", "--no-auth") as server:
            client = Client(server, None, sent=1, taken=1)
            client.must_answer()
            must_be_retryable(client.write(), "opened for reading only")
        with pytest.raises(AssertionError), server_process(tmp_path / "data"):
            pass
    assert "NOVAQL_DATABASE_URL" in (tmp_path / "data.log").read_text()
