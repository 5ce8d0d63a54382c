"""Queries that would take all memory, or a core for minutes."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from novaql.server.auth.roles import Role
from tests.server.abuse.conftest import Serving
from tests.support.abuse.rig import AbuseRig, abuse_rig

pytestmark = pytest.mark.slow

SERIES = 20_000


def nested() -> str:
    text = 'label_replace(vector(1), "a", "{}", "", "")'.format("y" * 1000)
    for _ in range(8):
        text = 'label_replace({}, "a", "{}", "a", "(.*)")'.format(text, "${1}" * 10)
    return text


INSTANT = {
    "join": 'label_join(vector(1), "b", "{}"{})'.format("x" * 150_000, ', "i"' * 16_000),
    "nested": nested(),
    "separator": 'label_join(wide, "b", "{}", "i", "i")'.format("s" * 20_000),
    "constant": 'label_replace(wide, "b", "{}$1", "i", "(.*)")'.format("s" * 60_000),
    "shared": 'label_replace(wide, "b", "{}", "", "")'.format("s" * 60_000),
    "subquery": "count_over_time(vector(1)[10y:1ms])",
    "points": "sum_over_time((vector(1) + time())[5d:1ms])",
    "raw": "wide[1h]",
    "inner": "max_over_time(wide[2h:1s])",
    "quantiles": "quantile_over_time(0.5, vector(time())[20h:1ms])",
    "smoothing": "double_exponential_smoothing(vector(time())[20h:1ms], 0.5, 0.5)",
    "regex": 'label_replace(label_replace(vector(1), "a", "{}", "", ""), "b", "x", "a", '
    '"((((0{{1,30}}){{1,30}})x?)*)y")'.format("0" * 60_000),
}
RANGE = {
    "matrix": "wide",
    "both": "wide + on (i) wide",
    "top": "topk(10, wide * 2)",
    "values": 'count_values("v", wide * time())',
    "histograms": "histogram_quantile(0.9, wide)",
    "chain": " or ".join(f"wide * {n}" for n in range(20)),
}


def fill(rig: AbuseRig) -> None:
    now = int(time.time())
    lines = "".join(f'wide{{i="{n:05}",le="{n % 20}"}} {n} {now}000\n' for n in range(SERIES))
    with rig.client(Role.OPERATOR) as client:
        answer = client.post("/api/v1/import/prometheus", content=lines)
        assert answer.status_code == 204, answer.text


def test_hostile_queries_harm_no_other_tenant(tmp_path: Path, serving: Serving) -> None:
    with abuse_rig(tmp_path / "data", **serving._asdict(), query_timeout_s="30") as rig:
        fill(rig)
        end = int(time.time())
        bodies = [{"query": text, "time": end} for text in INSTANT.values()]
        bodies += [
            {"query": text, "start": end - 10_000, "end": end, "step": 1, "lookback": "3h"}
            for text in RANGE.values()
        ]
        with rig.watched() as noticed, rig.client(Role.READ_ONLY, timeout=120) as client:

            def asked(body: dict[str, object]) -> int:
                status = 0
                with client.stream("POST", "/v1/novaql", json=body) as answer:
                    status = answer.status_code
                    for _ in answer.iter_bytes():
                        pass
                return status

            with ThreadPoolExecutor(6) as pool:
                statuses = list(pool.map(asked, bodies * 2))
        assert set(statuses) <= {200, 422, 503}, statuses
        noticed.assert_unharmed()
        with rig.client(Role.READ_ONLY) as client:
            answer = client.post("/v1/novaql", json={"query": "count(wide)", "time": end})
            assert answer.json()["result"][0]["value"][1] == SERIES
        assert httpx.get(f"{rig.server.url}/healthz", timeout=30).status_code == 200
