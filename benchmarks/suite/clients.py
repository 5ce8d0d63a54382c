"""Many clients at once: queries per second, and how long small queries wait for large ones.

The clients are threads of a separate process, the same for every system. Each holds a
connection open and sends its next query when it has its answer, like dashboards that are refreshed
without a pause.
"""

from __future__ import annotations

import multiprocessing
import statistics
import threading
import time
from dataclasses import dataclass
from typing import Any

from benchmarks.suite.http_client import Connection

DASHBOARD = (
    "raw-1-series-6h-15s", "raw-50-series-6h-60s", "sum-by-rate-10k-instant",
    "cpu-util-800-24h-60s", "avg-over-time-100-24h-60s", "hist-quantile-all-6h-60s",
    "hist-mean-by-handler-6h-60s", "mem-used-on-24h-60s", "topk-10k-instant",
    "error-ratio-6h-60s", "regex-6h-60s", "churn-sum-rate-10k-6h-60s",
)  # fmt: skip
"""The queries of a dashboard: large and small panels."""

SMALL = "raw-1-series-6h-15s"
LARGE = ("sum-rate-10k-6h-15s", "max-over-time-1h-10k-6h-300s")
LARGE_CLIENTS = 2
PAUSE_S = 0.01
"""The pause between two queries of the client that sends small ones."""


@dataclass(frozen=True, slots=True)
class Load:
    """requests of each client, asked round and round for some seconds; pause: after each answer."""

    port: int
    clients: tuple[tuple[bytes, ...], ...]
    seconds: float
    pauses: tuple[float, ...]


def throughput(port: int, requests: list[bytes], clients: int, seconds: float) -> dict[str, float]:
    """Measure this many clients, each of which begins with another query of the list."""
    turned = tuple(
        tuple(requests[(number + k) % len(requests)] for k in range(len(requests)))
        for number in range(clients)
    )
    found, took = _run(Load(port, turned, seconds, (0.0,) * clients))
    every = sorted(t for one in found for t in one)
    if not every:
        raise RuntimeError("no query was answered in time")
    return {
        "clients": clients,
        "queries": len(every),
        "per_second": len(every) / took,
        "median_ms": 1000 * statistics.median(every),
        "p99_ms": 1000 * _quantile(every, 0.99),
    }


def small_beside_large(
    port: int, small: bytes, large: list[bytes], seconds: float
) -> dict[str, float]:
    """Latency of a small query alone, and while `LARGE_CLIENTS` clients send large ones without a
    pause."""
    idle, _ = _run(Load(port, ((small,),), seconds / 2, (PAUSE_S,)))
    clients = ((small,), *(tuple(large) for _ in range(LARGE_CLIENTS)))
    busy, took = _run(Load(port, clients, seconds, (PAUSE_S, *(0.0,) * LARGE_CLIENTS)))
    alone, beside = sorted(idle[0]), sorted(busy[0])
    return {
        "idle_median_ms": 1000 * statistics.median(alone),
        "idle_p99_ms": 1000 * _quantile(alone, 0.99),
        "busy_median_ms": 1000 * statistics.median(beside),
        "busy_p99_ms": 1000 * _quantile(beside, 0.99),
        "small_queries": len(beside),
        "large_per_second": sum(len(one) for one in busy[1:]) / took,
    }


def _quantile(ordered: list[float], q: float) -> float:
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def _run(load: Load) -> tuple[list[list[float]], float]:
    """Seconds of each answer of each client, and the total time."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_clients, args=(theirs, load), daemon=True)
    process.start()
    theirs.close()
    try:
        found: Any = ours.recv()
    except EOFError:
        raise RuntimeError("the clients ended early") from None
    finally:
        process.join(30)
    failure, times, took = found
    if failure:
        raise RuntimeError(failure)
    return times, took


def _clients(answer: Any, load: Load) -> None:
    times: list[list[float]] = [[] for _ in load.clients]
    failures: list[str] = []
    connections = [Connection(load.port) for _ in load.clients]
    for request in {request for requests in load.clients for request in requests}:
        connections[0].ask(request)  # warms the caches independently of earlier measurements
    for connection, requests in zip(connections, load.clients, strict=True):
        connection.ask(requests[0])
    began = time.perf_counter()
    until = began + load.seconds

    def ask(number: int) -> None:
        place = 0
        requests, pause = load.clients[number], load.pauses[number]
        try:
            while time.perf_counter() < until:
                answer = connections[number].ask(requests[place % len(requests)])
                place += 1
                if answer.status != 200:
                    failures.append(f"status {answer.status}: {answer.body[:200]!r}")
                    return
                times[number].append(answer.seconds)
                if pause:
                    time.sleep(pause)
        except OSError as problem:
            failures.append(f"{type(problem).__name__}: {problem}")

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(len(load.clients))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - began
    answer.send((failures[0] if failures else "", times, took))
