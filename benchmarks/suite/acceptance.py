"""The goals of NovaQL, beside the measurements."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.query_memory import GOAL_MIB
from benchmarks.suite.figures import Results, geometric_mean, number, ratios

PROMETHEUS, VICTORIA = "prometheus", "victoriametrics"
PEERS = {PROMETHEUS: "Prometheus", VICTORIA: "VictoriaMetrics"}
SYSTEMS = {
    "novaql": "in process",
    "novaql cold": "cold pages",
    "novaql json": "HTTP JSON",
    "novaql arrow": "HTTP Arrow",
    "novaql numpy": "without numba",
}
PARTS: tuple[tuple[str, str, dict[str, tuple[float, ...]]], ...] = (
    (
        "queries",
        "",
        {
            "novaql": (40, 11),
            "novaql cold": (16, 4.5),
            "novaql json": (30, 8),
            "novaql arrow": (35, 9.5),
            "novaql numpy": (7,),
        },
    ),
    ("breadth", ", every function", {"novaql": (45, 14), "novaql json": (30, 9)}),
)
"""Lists of queries, and how many times as fast as each of `PEERS` a system answers one of them: the
geometric mean."""
SLOWEST = (3, 1.5)
"""The same of the slowest query that takes at least `SMALL_MS` in process."""
SMALL_MS = 0.3
MOST_CLIENTS = 16


@dataclass(frozen=True, slots=True)
class Goal:
    """What is measured, the figure (NaN if it was not measured), and its bounds."""

    what: str
    figure: float
    least: float = -math.inf
    most: float = math.inf
    unit: str = "×"

    @property
    def met(self) -> bool:
        return self.least <= self.figure <= self.most

    @property
    def wanted(self) -> str:
        if self.least > -math.inf:
            return f"≥ {self.least:g} {self.unit}"
        return f"≤ {self.most:g} {self.unit}"


def section(results: Results) -> str:
    """A table of all goals that were measured."""
    known = [goal for goal in goals(results) if not math.isnan(goal.figure)]
    if not known:
        return ""
    lines = [
        "## Goals",
        "",
        "| | goal | measured | met |",
        "| --- | ---: | ---: | --- |",
    ]
    for goal in known:
        measured = f"{number(goal.figure)} {goal.unit}"
        lines.append(
            f"| {goal.what} | {goal.wanted} | {measured} | {'yes' if goal.met else '**no**'} |"
        )
    return "\n".join(lines)


def goals(results: Results) -> Iterator[Goal]:
    """All goals, measured or not."""

    def faster(ours: str, peer: str, **of: Any) -> float:
        figure = of.pop("figure", "median_ms")
        return geometric_mean(ratios(results, ours, peer, figure, **of).values())

    for part, of, least in PARTS:
        for ours, where in SYSTEMS.items():
            for (peer, name), times in zip(PEERS.items(), least.get(ours, ()), strict=False):
                found = faster(ours, peer, part=part)
                yield Goal(f"{where}{of}, faster than {name}", found, times)
        for (peer, name), times in zip(PEERS.items(), SLOWEST, strict=True):
            found = _slowest(results, peer, part)
            yield Goal(f"in process{of}, the slowest query beside {name}", found, times)
    yield Goal(
        "HTTP JSON, metadata, faster than VictoriaMetrics",
        faster("novaql json", VICTORIA, metadata=True),
        0.7,
    )
    for (peer, name), less in zip(PEERS.items(), (20, 7), strict=True):
        cpu = faster("novaql", peer, figure="cpu_ms")
        yield Goal(f"in process, less CPU than {name}", cpu, less)
    large = results.get("large_query", {})
    yield Goal(
        f"a sum over {large.get('series', 0)} series × {large.get('hours', 0)} h adds",
        large.get("adds_mib", math.nan),
        most=GOAL_MIB,
        unit="MiB",
    )
    for where, most in (("in process", 1.0), ("over HTTP", 4.0)):
        yield Goal(f"a refreshed panel {where}", _refreshed(results, where), most=most, unit="ms")
    yield Goal(
        f"{MOST_CLIENTS} clients, queries a second, of VictoriaMetrics'",
        _answered(results, "novaql json") / _answered(results, VICTORIA),
        5,
    )
    yield Goal(
        "peak of the server after all queries",
        results.get("memory", {}).get("novaql json", {}).get("peak", math.nan),
        most=600,
        unit="MiB",
    )
    beside = _small(results, "novaql json")
    yield Goal(
        "p99 of a small query beside large ones, of its p99 alone",
        beside.get("busy_p99_ms", math.nan) / beside.get("idle_p99_ms", math.nan),
        most=5,
    )


def _slowest(results: Results, peer: str, part: str) -> float:
    """The smallest ratio of a query that is not small."""
    small = {
        row["query"]
        for row in results.get(part, [])
        if row["systems"].get("novaql", {}).get("median_ms", 0.0) < SMALL_MS
    }
    found = ratios(results, "novaql", peer, "median_ms", part=part)
    return min((x for query, x in found.items() if query not in small), default=math.nan)


def _refreshed(results: Results, where: str) -> float:
    """The slowest panel's median."""
    rows = [row for row in results.get("panel", []) if row["where"] == where]
    if not rows or any("error" in row for row in rows):
        return math.nan
    slowest: float = max(row["median_ms"] for row in rows)
    return slowest


def _answered(results: Results, system: str) -> float:
    """Queries a second of the most clients."""
    for row in results.get("clients", []):
        if row["system"] == system and row.get("clients") == MOST_CLIENTS:
            answered: float = row.get("per_second", math.nan)
            return answered
    return math.nan


def _small(results: Results, system: str) -> dict[str, float]:
    """The row with the latency of small queries beside large ones."""
    rows = results.get("clients", [])
    return next((r for r in rows if r["system"] == system and "busy_p99_ms" in r), {})
