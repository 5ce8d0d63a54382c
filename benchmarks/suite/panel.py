"""A refreshed panel of 24 hours: the time of an answer of which all steps but one are cached.

In process and over HTTP, on a store without concurrent writes.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.suite.http_client import Connection, get_request
from benchmarks.suite.systems import Server
from novaql import tsdb

STEP_S = 60
HOURS = 24
REFRESHES = 40
QUERIES = (
    '1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[5m]))',
    "sum by (job, status) (rate(http_requests_total[5m]))",
    "sum(rate(http_requests_total[5m]))",
)


def measure_panel(
    store: Path, server: Server, end_s: float, done: Callable[[dict[str, Any]], None]
) -> None:
    """Measure each query in process and over HTTP. `done` receives each row."""
    from novaql import evaluate, query_options, warmup  # noqa: PLC0415 - what is measured
    from novaql.result_cache import ResultCache  # noqa: PLC0415 - likewise

    warmup()
    with tsdb.open(store, read_only=True) as database:
        for text in QUERIES:
            cache = ResultCache()

            def ask(
                shift: int, *, cached: bool, text: str = text, cache: ResultCache = cache
            ) -> float:
                end = end_s - (REFRESHES + 2 - shift) * STEP_S
                options = query_options(start=end - HOURS * 3600, end=end, step=STEP_S)
                began = time.perf_counter()
                evaluate(text, database, options, cache=cache if cached else None)
                return time.perf_counter() - began

            done(_row("in process", text, ask))
    connection = Connection(server.port)
    for text in QUERIES:

        def fetch(shift: int, *, cached: bool, text: str = text) -> float:
            end = end_s - (REFRESHES + 2 - shift) * STEP_S
            parameters = [
                ("query", text),
                ("start", end - HOURS * 3600),
                ("end", end),
                ("step", STEP_S),
            ]
            parameters += [] if cached else [("nocache", "1")]
            where = f"127.0.0.1:{server.port}"
            request = get_request(where, "/prometheus/api/v1/query_range", parameters)
            answer = connection.ask(request)
            if answer.status != 200:
                raise RuntimeError(f"status {answer.status}: {answer.body[:200]!r}")
            return answer.seconds

        done(_row("over HTTP", text, fetch))
    connection.close()


def _row(where: str, text: str, ask: Callable[..., float]) -> dict[str, Any]:
    row: dict[str, Any] = {"where": where, "query": text}
    try:
        uncached = [ask(0, cached=False) for _ in range(6)][1:]
        first = ask(0, cached=True)
        times = sorted(ask(1 + number, cached=True) for number in range(REFRESHES))
    except Exception as problem:  # noqa: BLE001 - one failure must not end the run
        return row | {"error": f"{type(problem).__name__}: {problem}"[:300]}
    return row | {
        "first_ms": 1000 * first,
        "median_ms": 1000 * statistics.median(times),
        "p95_ms": 1000 * times[int(0.95 * len(times))],
        "uncached_ms": 1000 * statistics.median(uncached),
    }
