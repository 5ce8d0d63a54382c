"""Servers that are killed at random moments while incidents escalate.

Two workers run the jobs. Over SQLite they are of one server, which is killed and starts again. Over
PostgreSQL each has a server, and either is killed while the other lives; every tenth start has two.

Each step has exactly one page for each contact, and each page reaches the receiver under one id. A
step that is due runs within one tick and `BUSY_S` of readiness after a restart, or, while a second
server lives, of the end of the killed one's lease. The seed is printed; `NOVAQL_KILL_SEED` sets it,
and `NOVAQL_ESCALATION_KILLS` the number of kills (12; use 50 before a release).
"""

from __future__ import annotations

import base64
import json
import os
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.peers.receiver import Receiver, receiving
from tests.support.servers import patiently
from tests.support.servers.http_server import ServerProcess, server_process
from tests.support.servers.state_databases import KINDS, postgresql_url

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("NOVAQL_ESCALATION_KILLS", "12"))
STEPS, WAIT_S = 3, 1.0
TICK_S, LEASE_S = 0.5, 2.0
BUSY_S = 10.0
"""How much longer it may take, as a limit of hangs; never less than the slowest start took."""
SETTINGS = {
    **dict.fromkeys(("rate_per_minute", "rate_per_day"), "0"),
    "egress_allow": "127.0.0.0/8",
    "job_poll_s": str(TICK_S),
    "job_lease_s": str(LEASE_S),
    "master_key": base64.b64encode(bytes(range(32))).decode(),
}


@dataclass
class Fleet:
    """Servers over one database, and when each was ready and was killed."""

    settings: dict[str, str]
    folder: Path
    stack: ExitStack
    servers: dict[int, ServerProcess] = field(default_factory=dict)
    up: dict[int, list[list[float]]] = field(default_factory=lambda: defaultdict(list))
    starts: int = 0
    slowest: float = BUSY_S
    token: str = ""

    def start(self, number: int) -> None:
        shares = "database_url" in self.settings
        workers = "1" if shares and self.starts % 10 < 9 else "2"
        self.starts += 1
        made = server_process(
            self.folder / f"data{number}",
            *("--workers", workers),
            settings=self.settings,
            had_tokens=bool(self.token),
        )
        began = time.time()
        server = self.stack.enter_context(made)
        if self.starts > 1:  # the first one loads the modules that the others share
            self.slowest = max(self.slowest, time.time() - began)
        self.token = self.token or server.token or ""
        self.servers[number] = server
        self.up[number].append([time.time(), float("inf")])

    def kill(self, number: int) -> None:
        self.servers.pop(number).kill()
        self.up[number][-1][1] = time.time()

    def ask(self, method: str, path: str, body: Any = None, key: str = "") -> Any:
        """Ask a server that lives."""
        server = next(iter(self.servers.values()))
        headers = {"Authorization": f"Bearer {self.token}"}
        if key:
            headers["Idempotency-Key"] = key
        url = f"{server.url}/v1{path}"
        if method == "POST":
            answer = patiently.post(url, json=body, headers=headers)
        else:
            answer = patiently.get(url, headers=headers, timeout=30)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    def every(self, path: str) -> Iterator[dict[str, Any]]:
        query = "?limit=200"
        while True:
            page = self.ask("GET", path + query)
            yield from page["data"]
            if "next_cursor" not in page:
                return
            query = f"?limit=200&cursor={page['next_cursor']}"

    def deadline(self, due: float) -> float:
        """The time at which a step that is due has run."""
        usual = TICK_S + self.slowest
        if len(self.up) == 1:
            ((_, spans),) = self.up.items()
            for ready, killed in spans:
                start = max(due, ready)
                if killed - start >= usual:
                    return start + usual
            return float("inf")
        last = due + usual
        for killed in sorted(killed for spans in self.up.values() for _, killed in spans):
            if due <= killed <= last:
                last = killed + LEASE_S + usual
        return last


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def policy(fleet: Fleet, receiver: Receiver) -> str:
    """A policy of which each step pages two users: by webhooks, and in a sink."""
    ids = []
    hook = {"name": "w", "type": "webhook", "webhook": {"url": f"{receiver.url}/page"}}
    for name, method in (("ada", hook), ("bob", {"name": "s", "type": "sink"})):
        user = {"email": f"{name}@team.example", "name": name, "role": "operator"}
        ids.append(fleet.ask("POST", "/users", user)["id"])
        fleet.ask("POST", f"/users/{ids[-1]}/contact-methods", method)
    targets = [{"type": "user", "id": one} for one in ids]
    steps = [{"wait": f"{WAIT_S:g}s", "targets": targets}] * STEPS
    made = fleet.ask("POST", "/escalation-policies", {"name": "p", "steps": steps})
    return str(made["id"])


def until_all_is_over(fleet: Fleet, incidents: int) -> list[dict[str, Any]]:
    """The pages, when every escalation is exhausted and every page is sent."""
    end = time.monotonic() + 120
    while True:
        states = Counter(one["state"] for one in fleet.every("/escalations"))
        pages = list(fleet.every("/pages"))
        if states == {"exhausted": incidents} and {one["status"] for one in pages} == {"sent"}:
            return pages
        assert time.monotonic() < end, (states, Counter(one["status"] for one in pages))
        time.sleep(0.5)


@pytest.mark.parametrize("kind", KINDS)
def test_each_step_pages_once_whenever_servers_are_killed(kind: str, tmp_path: Path) -> None:
    seed = int(os.environ.get("NOVAQL_KILL_SEED", random.randrange(2**32)))
    sys.stdout.write(f"NOVAQL_KILL_SEED={seed}\n")
    chance = random.Random(seed)
    settings, numbers = dict(SETTINGS), [0]
    if kind == "postgresql":
        settings["database_url"], numbers = postgresql_url(), [0, 1]
    with ExitStack() as stack:
        receiver = stack.enter_context(receiving())
        fleet = Fleet(settings, tmp_path, stack)
        for number in numbers:
            fleet.start(number)
        body = {"title": "t", "severity": "sev1", "services": []}
        body["escalation_policy_id"] = policy(fleet, receiver)
        opened = []
        for kill in range(KILLS):
            made = fleet.ask("POST", "/incidents", {**body, "title": f"t{kill}"}, f"i{kill}")
            opened.append(made)
            time.sleep(chance.uniform(0, WAIT_S))
            number = chance.choice(numbers)
            fleet.kill(number)
            fleet.start(number)
        pages = until_all_is_over(fleet, KILLS)
        timelines = {
            one["id"]: Counter(
                entry["type"] for entry in fleet.every(f"/incidents/{one['id']}/timeline")
            )
            for one in opened
        }
        heard = list(receiver.of("/page"))

    assert all(types == EXPECTED for types in timelines.values()), timelines
    once = Counter((one["incident_id"], one["step"], one["target"]["name"]) for one in pages)
    wanted = {
        (one["id"], step, name)
        for one in opened
        for step in range(STEPS)
        for name in ("ada", "bob")
    }
    assert once == Counter(wanted)
    by_id = {one.headers["webhook-id"]: json.loads(one.body) for one in heard}
    assert set(by_id) == {one["id"] for one in pages if one["target"]["name"] == "ada"}
    seen = Counter((one["incident"]["id"], one["page"]["step"]) for one in by_id.values())
    assert seen == Counter((one["id"], step) for one in opened for step in range(STEPS))
    early = [one for one in waits(pages) if one < WAIT_S]
    assert not early, early
    late = list(too_late(fleet, opened, pages))
    assert not late, late
    sys.stdout.write(
        f"{len(heard)} messages for {len(by_id)} pages, slowest start {fleet.slowest:.1f} s\n"
    )


EXPECTED = Counter({"triggered": 1, "paged": STEPS, "escalation_exhausted": 1})


def waits(pages: list[dict[str, Any]]) -> Iterator[float]:
    """The seconds from each step to the next one of its incident."""
    at = {(one["incident_id"], one["step"]): seconds(one["created_at"]) for one in pages}
    for incident_id, step in at:
        if step:
            yield round(at[incident_id, step] - at[incident_id, step - 1], 3)


def too_late(
    fleet: Fleet, opened: list[dict[str, Any]], pages: list[dict[str, Any]]
) -> Iterator[tuple[str, int, float]]:
    """Steps after the time at which they had to run, and by how many seconds."""
    at = {(one["incident_id"], one["step"]): seconds(one["created_at"]) for one in pages}
    for incident in opened:
        due = seconds(incident["created_at"])
        for step in range(STEPS):
            ran = at[incident["id"], step]
            if ran > fleet.deadline(due):
                yield incident["id"], step, ran - fleet.deadline(due)
            due = ran + WAIT_S
