"""`kill -9` of workers under a load of writes, over both databases, and of the server itself.

Some clients come again with their Idempotency-Key until they have an answer, others ask once and
never hear what became of it when their worker is killed. In the end what was acknowledged is there,
nothing is there twice, and of each thing that is there the log of changes and the subscribers were
told once: rows, audit entries, events and jobs are of one transaction.
"""

from __future__ import annotations

import json
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.peers.receiver import Receiver, receiving
from tests.support.servers import patiently
from tests.support.servers.http_server import ServerProcess, server_process, workers_of
from tests.support.servers.state_databases import KINDS, postgresql_url

pytestmark = pytest.mark.slow

SETTINGS = {
    **dict.fromkeys(("rate_per_minute", "rate_per_day", "prometheus_per_minute"), "0"),
    "egress_allow": "127.0.0.0/8",
    "webhook_http": "1",
    "webhook_retry_delays": ",".join(["1s"] * 60),
}
KILLS, BETWEEN = 4, 10
"""So many workers are killed, each after so many more acknowledged writes."""


def until(what: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


@dataclass
class Clients:
    """What four writers were told: names by what is known of them."""

    url: str
    token: str
    acknowledged: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def post(self, name: str, **headers: str) -> httpx.Response | None:
        """On a connection of its own, so that any worker may get it; None: nobody answered."""
        body, sent = {"name": name, "role": "read_only"}, {**self.bearer, **headers}
        try:
            return patiently.post(f"{self.url}/v1/tokens", json=body, headers=sent, timeout=60)
        except httpx.TransportError:
            return None

    def insist(self, writer: int) -> None:
        """Come again with the key until there is an answer."""
        number = 0
        while not self.stop.is_set():
            name = f"keyed-{writer}-{number}"
            number += 1
            answer = None
            while answer is None or answer.status_code == 409:  # 409: it is being done just now
                answer = self.post(name, **{"Idempotency-Key": name})
                if answer is None and self.stop.is_set():
                    self.unknown.append(name)
                    return
            assert answer.status_code == 201, answer.text
            self.acknowledged.append(name)

    def ask_once(self, writer: int) -> None:
        number = 0
        while not self.stop.is_set():
            name = f"once-{writer}-{number}"
            number += 1
            answer = self.post(name)
            if answer is None:
                self.unknown.append(name)
                continue
            assert answer.status_code == 201, answer.text
            self.acknowledged.append(name)


def rows_of(url: str, clients: Clients, path: str, **filters: str) -> Iterator[dict[str, Any]]:
    with httpx.Client(base_url=url, headers=clients.bearer, timeout=60) as client:
        asked = {"limit": "200", **filters}
        while True:
            page = client.get(path, params=asked).json()
            yield from page["data"]
            if "next_cursor" not in page:
                return
            asked["cursor"] = page["next_cursor"]


def told_of(receiver: Receiver) -> Counter[str]:
    """How many different messages there were about each token."""
    messages = {
        heard.headers["webhook-id"]: json.loads(heard.body)["data"]["target"]["id"]
        for heard in list(receiver.heard)
    }
    return Counter(messages.values())


def kill_workers(server: ServerProcess, clients: Clients) -> None:
    """Several times, whenever both are there and enough was acknowledged since."""
    chance = random.Random(3)
    for _ in range(KILLS):
        until(lambda: len(workers_of(server)) == 2, 120)
        more_acknowledged(clients)
        chance.choice(workers_of(server)).send_signal(signal.SIGKILL)
    until(lambda: len(workers_of(server)) == 2, 120)
    more_acknowledged(clients)


def more_acknowledged(clients: Clients) -> None:
    enough = len(clients.acknowledged) + BETWEEN
    until(lambda: len(clients.acknowledged) >= enough, 120)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_lost_or_doubled(kind: str, tmp_path: Path) -> None:
    settings = dict(SETTINGS)
    if kind == "postgresql":
        settings["database_url"] = postgresql_url()
    data = tmp_path / "data"
    with ExitStack() as stack:
        receiver = stack.enter_context(receiving())
        server = stack.enter_context(server_process(data, "--workers", "2", settings=settings))
        assert server.token is not None
        clients = Clients(server.url, server.token)
        hook = {"url": receiver.url, "events": ["audit.token.create"]}
        made = httpx.post(
            f"{server.url}/v1/webhooks", json=hook, headers=clients.bearer, timeout=60
        )
        assert made.status_code == 201, made.text
        with ThreadPoolExecutor(4) as pool:
            tasks = [pool.submit(clients.insist, number) for number in range(2)]
            tasks += [pool.submit(clients.ask_once, number) for number in range(2)]
            try:
                kill_workers(server, clients)
                if kind == "postgresql":  # once is enough: its jobs wait until their leases end
                    server.kill()
            finally:
                clients.stop.set()
            for task in tasks:
                task.result()
        if kind == "postgresql":
            again = server_process(data, "--workers", "2", settings=settings, had_tokens=True)
            server = stack.enter_context(again)
        tokens = rows_of(server.url, clients, "/v1/tokens")
        there = {t["id"]: t["name"] for t in tokens if t["name"].startswith(("keyed-", "once-"))}
        log = rows_of(server.url, clients, "/v1/audit", action="token.create")
        entries = Counter(entry["target"]["id"] for entry in log)
        until(lambda: told_of(receiver).keys() >= there.keys(), 180)
        told = told_of(receiver)

    names = Counter(there.values())
    assert max(names.values()) == 1
    assert set(clients.acknowledged) <= set(names)
    assert set(names) <= set(clients.acknowledged) | set(clients.unknown)
    assert entries == told == Counter(there.keys())
