"""The goals of NovaQL, beside the measurements."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.query_memory import GOAL_MIB
from benchmarks.suite.figures import Results, geometric_mean, number, ratios

PROMETHEUS, VICTORIA = "prometheus", "victoriametrics"
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

    def faster(ours: str, peer: str, *, figure: str = "median_ms", metadata: bool = False) -> float:
        found = ratios(results, ours, peer, figure, metadata=metadata)
        return geometric_mean(found.values())

    def slowest(peer: str) -> float:
        found = ratios(results, "novaql", peer, "median_ms", metadata=False)
        return min(found.values(), default=math.nan)

    yield Goal("in process, faster than Prometheus", faster("novaql", PROMETHEUS), 20)
    yield Goal("in process, faster than VictoriaMetrics", faster("novaql", VICTORIA), 5)
    yield Goal("in process, the slowest query beside Prometheus", slowest(PROMETHEUS), 1)
    yield Goal("in process, the slowest beside VictoriaMetrics", slowest(VICTORIA), 0.83)
    yield Goal("cold pages, faster than Prometheus", faster("novaql cold", PROMETHEUS), 10)
    yield Goal("cold pages, faster than VictoriaMetrics", faster("novaql cold", VICTORIA), 2.5)
    yield Goal("HTTP JSON, faster than Prometheus", faster("novaql json", PROMETHEUS), 10)
    yield Goal("HTTP JSON, faster than VictoriaMetrics", faster("novaql json", VICTORIA), 2.5)
    yield Goal("HTTP Arrow, faster than VictoriaMetrics", faster("novaql arrow", VICTORIA), 3)
    yield Goal(
        "HTTP JSON, metadata, faster than VictoriaMetrics",
        faster("novaql json", VICTORIA, metadata=True),
        0.7,
    )
    for peer, name, least in ((PROMETHEUS, "Prometheus", 20), (VICTORIA, "VictoriaMetrics", 7)):
        cpu = faster("novaql", peer, figure="cpu_ms")
        yield Goal(f"in process, less CPU than {name}", cpu, least)
    yield Goal("without numba, faster than Prometheus", faster("novaql numpy", PROMETHEUS), 4)
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
        1,
    )
    beside = _small(results, "novaql json")
    yield Goal(
        "p99 of a small query beside large ones, of its p99 alone",
        beside.get("busy_p99_ms", math.nan) / beside.get("idle_p99_ms", math.nan),
        most=5,
    )


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
