"""Every query on every system: first whether the answers agree, then how long they take."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from benchmarks.suite.http_client import Connection, HttpAnswer, get_request, post_request
from benchmarks.suite.peers import PeerBench
from benchmarks.suite.systems import (
    Effort,
    InProcess,
    Server,
    Timed,
    arrow_answer,
    arrow_request,
)

ORDER = (
    "prometheus", "victoriametrics", "novaql", "novaql numpy", "novaql cold", "novaql json",
    "novaql arrow",
)  # fmt: skip
"""Systems in the order in which they are measured, the reference for answers first."""


class System(Protocol):
    """Something that answers the peer benchmark's queries."""

    def answer(self, query: Any) -> Any: ...

    def measure(self, query: Any, effort: Effort) -> Timed: ...

    def memory(self) -> dict[str, float]: ...


@dataclass(slots=True)
class Library:
    """NovaQL in its own process, over the peer benchmark's calls."""

    process: InProcess
    common: Any
    cold: bool = False

    def answer(self, query: Any) -> Any:
        found = self.process.answer(*query.call())
        if isinstance(found, tuple) and not found[0]:
            return {"resultType": "matrix", "result": []}
        return found

    def measure(self, query: Any, effort: Effort) -> Timed:
        method, arguments = query.call()
        return self.process.measure(method, arguments, effort, cold=self.cold)

    def memory(self) -> dict[str, float]:
        found: dict[str, float] = self.common.memory_mb(self.process.pid)
        return found


@dataclass(slots=True)
class OverHttp:
    """A server that speaks Prometheus's API. `extra` goes with every query."""

    port: int
    pid: int
    common: Any
    systems: Any
    prefix: str = ""
    extra: tuple[tuple[str, str], ...] = (("nocache", "1"),)
    connection: Connection | None = None

    def request(self, query: Any) -> bytes:
        path, parameters = query.http()
        return get_request(f"127.0.0.1:{self.port}", self.prefix + path, [*parameters, *self.extra])

    def answer(self, query: Any) -> Any:
        return self.systems.HttpSystem.parse(self._ask(self.request(query)).body)

    def measure(self, query: Any, effort: Effort) -> Timed:
        request = self.request(query)
        self._ask(request)
        times: list[float] = []
        before = self.common.cpu_seconds(self.pid)
        while not effort.enough(len(times), sum(times)):
            times.append(self._ask(request).seconds)
        return times, (self.common.cpu_seconds(self.pid) - before) / len(times)

    def memory(self) -> dict[str, float]:
        found: dict[str, float] = self.common.memory_mb(self.pid)
        return found

    def _ask(self, request: bytes) -> HttpAnswer:
        for attempt in range(2):
            if self.connection is None:
                self.connection = Connection(self.port)
            try:
                answer = self.connection.ask(request)
            except ConnectionError:  # the connection was idle for too long
                self.connection = None
                if attempt:
                    raise
                continue
            if answer.status != 200:
                shown = answer.body[:200].decode(errors="replace")
                raise RuntimeError(f"status {answer.status}: {shown}")
            return answer
        raise AssertionError


@dataclass(slots=True)
class ArrowHttp(OverHttp):
    """NovaQL's own API, answering with Arrow streams. It has no metadata calls."""

    def request(self, query: Any) -> bytes:
        if query.kind not in ("range", "instant"):
            raise NotImplementedError("metadata is JSON")
        end = self.common.T_END
        body = arrow_request(query.kind, query.expr, query.start, end, query.step)
        host = f"127.0.0.1:{self.port}"
        return post_request(host, "/v1/novaql", body, "application/json")

    def answer(self, query: Any) -> Any:
        return arrow_answer(self._ask(self.request(query)).body)


def novaql_systems(
    bench: PeerBench, library: InProcess, plain: InProcess, server: Server
) -> dict[str, System]:
    """NovaQL five times: warm, without numba, cold, over HTTP with JSON and with Arrow."""
    common, systems = bench.common, bench.systems
    where = (server.port, server.pid, common, systems)
    return {
        "novaql": Library(library, common),
        "novaql numpy": Library(plain, common),
        "novaql cold": Library(library, common, cold=True),
        "novaql json": OverHttp(*where, prefix="/prometheus"),
        "novaql arrow": ArrowHttp(*where),
    }


def measure_queries(
    bench: PeerBench,
    systems: dict[str, System],
    effort: Effort,
    chosen: Callable[[Any], bool],
    done: Callable[[dict[str, Any]], None],
) -> None:
    """Measure each query on all systems in turn; `done` receives each row as soon as it is
    complete."""
    for query in bench.queries.QUERIES:
        if not chosen(query):
            continue
        row: dict[str, Any] = {
            "query": query.name, "group": query.group, "expr": query.expr, "kind": query.kind,
            "rate": query.rate, "systems": {},
        }  # fmt: skip
        reference: Any = None
        for name, system in systems.items():
            if name == "novaql arrow" and query.group == "metadata":
                continue
            found: dict[str, Any] = {}
            row["systems"][name] = found
            try:
                answer = bench.compare.normalise(system.answer(query))
                if reference is None:
                    reference = answer
                    row["series"], row["points"] = bench.compare.size(answer)
                else:
                    found["compare"] = bench.compare.compare(reference, answer)
                del answer
                found |= _summary(*system.measure(query, effort))
            except Exception as problem:  # noqa: BLE001 - one failure must not end the run
                found["error"] = f"{type(problem).__name__}: {problem}"[:300]
        done(row)
        _say(row)


def _summary(times: list[float], cpu: float) -> dict[str, float]:
    ms = sorted(1000 * t for t in times)
    return {
        "n": len(ms),
        "median_ms": statistics.median(ms),
        "p95_ms": ms[min(len(ms) - 1, round(0.95 * len(ms)))],
        "min_ms": ms[0],
        "cpu_ms": 1000 * cpu,
    }


def _say(row: dict[str, Any]) -> None:
    parts = []
    for name, found in row["systems"].items():
        verdict = found.get("compare", {}).get("verdict", "")
        shown = f"{found['median_ms']:.2f} ms" if "median_ms" in found else found.get("error", "")
        parts.append(f"{name} {shown} {verdict}".rstrip())
    with suppress(BrokenPipeError):
        sys.stderr.write(f"{row['query']}: {', '.join(parts)}\n")
        sys.stderr.flush()
