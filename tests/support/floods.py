"""Floods: requests of a tenant that takes all it can get, for tests and for measurements."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:  # the process of the clients needs neither, and begins sooner
    from tests.support.abuse import AbuseRig

Ask = Callable[[httpx.Client, int], int]
_PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class Flood:
    """What a number of clients ask again and again, each when it has its answer.

    ask    one request of the client with a number; its status
    after  what the abuser does when it leaves
    """

    ask: Ask
    role: str
    clients: int
    after: Ask | None = None

    def run(self, rig: AbuseRig, seconds: float) -> Counter[int]:
        """Flood a server for a while; the statuses, 0 for requests without an answer.

        The clients are in a process of their own: the quiet tenant's does not wait for them.
        """
        url, secret = (
            rig.server.url,
            {role.value: secret for role, secret in rig.noisy.items()}[self.role],
        )
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as other:
            return other.submit(self._flood, url, secret, seconds).result()

    def _flood(self, url: str, secret: str, seconds: float) -> Counter[int]:
        end = time.monotonic() + seconds
        headers = {"Authorization": f"Bearer {secret}"}

        def one(number: int) -> Counter[int]:
            seen: Counter[int] = Counter()
            with httpx.Client(base_url=url, headers=headers, timeout=_PATIENCE_S) as client:
                while time.monotonic() < end:
                    try:
                        seen[self.ask(client, number)] += 1
                    except httpx.HTTPError:
                        seen[0] += 1
                if self.after is not None:
                    self.after(client, number)
            return seen

        with ThreadPoolExecutor(self.clients) as pool:
            return sum(pool.map(one, range(self.clients)), Counter())


def query(client: httpx.Client, number: int) -> int:
    # A subquery of 3.6 million steps, which reads no samples and so counts as small at first.
    text = f"sum_over_time(vector(time() + {number})[1h:1s])"
    body = {"query": text, "start": 0, "end": 999 * 600, "step": 600}
    return client.post("/v1/novaql", json=body).status_code


def small_query(client: httpx.Client, _: int) -> int:
    return client.post("/v1/novaql", json={"query": "1 + 1"}).status_code


def dashboard(client: httpx.Client, number: int) -> int:
    names = ["a", "b", "c", "d"]
    values = [{"name": name, "type": "custom", "values": ["1m"]} for name in names]
    # Each query parses with the last of 81 kinds of values alone.
    last = " + ".join(f"rate(x[${name}])" for name in names)
    panels = [
        {
            "title": f"P{n}",
            "type": "timeseries",
            "queries": [{"expr": f"{last} + {n}.{m}"} for m in range(26)],
            "grid": {"x": 0, "y": n, "w": 1, "h": 1},
        }
        for n in range(60)
    ]
    body = {"title": f"D{number}", "variables": values, "panels": panels}
    return client.post("/v1/dashboards", json=body).status_code


def rule_file(client: httpx.Client, number: int) -> int:
    groups = "".join(
        f"- {{name: g{n}, interval: 1s, rules: [{{record: 'a:b', expr: 'sum(rate(x[5m]))'}}]}}\n"
        for n in range(400)
    )
    body = {"file": f"f{number}.yml", "document": "groups:\n" + groups}
    return client.post("/v1/alert-rules/import", json=body).status_code


def no_rules(client: httpx.Client, number: int) -> int:
    body = {"file": f"f{number}.yml", "document": "groups: []"}
    return client.post("/v1/alert-rules/import", json=body).status_code


def written(client: httpx.Client, number: int) -> int:
    lines = "".join(f'noise{{n="{number}",i="{i}"}} 1\n' for i in range(20_000))
    return client.post("/api/v1/import/prometheus", content=lines).status_code


FLOODS = {
    "large queries": Flood(query, "read_only", 80),
    "small queries": Flood(small_query, "read_only", 80),
    "dashboards": Flood(dashboard, "operator", 8),
    "rule files": Flood(rule_file, "operator", 6, no_rules),
    "writes": Flood(written, "operator", 8),
}
