"""Results as a page: the systems compared, tables of all figures, and the machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.suite import acceptance
from benchmarks.suite.figures import Results, geometric_mean, number, ratios
from benchmarks.suite.measuring import ORDER

PEERS = ("prometheus", "victoriametrics")
OURS = tuple(name for name in ORDER if name not in PEERS)
TITLES = {
    "prometheus": "Prometheus",
    "victoriametrics": "VictoriaMetrics",
    "novaql": "NovaQL, in process",
    "novaql numpy": "NovaQL, without numba",
    "novaql cold": "NovaQL, cold pages",
    "novaql json": "NovaQL, HTTP JSON",
    "novaql arrow": "NovaQL, HTTP Arrow",
}


def page(results: Results, charts: Sequence[str]) -> str:
    """The whole page. `charts` are file names beside it."""
    parts = ["# Benchmarks", _introduction(results)]
    parts += [f"![{name.rpartition('.')[0]}]({name})" for name in charts]
    parts += [section for make in SECTIONS if (section := make(results))]
    return "\n\n".join(parts) + "\n"


def _introduction(results: Results) -> str:
    facts = results["facts"]
    packages = ", ".join(f"{name} {version}" for name, version in facts["packages"].items())
    versions = ", ".join(results.get("versions", {}).values())
    return "\n".join(
        [
            "Written by `python -m benchmarks.suite` "
            "([how to run it](../../benchmarks/suite/README.md)).",
            f"{facts['at']}, commit {facts['commit']}. {facts['processor']}, "
            f"{facts['cores']} cores, "
            f"{facts['memory_gib']} GiB, {facts['system']}, Python {facts['python']} ({packages}). "
            f"Peers: {versions or 'none'}. Load of the machine at the start: "
            f"{', '.join(f'{value:.2f}' for value in facts['load'])}.",
            f"Data of scale {results.get('scale', 1):g} "
            "(1: 76.6 million samples of 74 000 series). "
            "Loopback HTTP, caches of results off, medians of repetitions after one that is not "
            "counted, systems taking turns on each query. A ratio above 1: NovaQL is faster.",
            *_runs(results),
        ]
    )


def _runs(results: Results) -> list[str]:
    """The parts of each run, and whether the run had few repetitions."""
    runs: dict[str, list[str]] = {}
    for part, source in results.get("measured", {}).items():
        few = ", few repetitions" if source["quick"] else ""
        runs.setdefault(f"{source['at']}, commit {source['commit']}{few}", []).append(part)
    return [f"Parts {', '.join(parts)}: {run}." for run, parts in runs.items()]


def _summary(results: Results) -> str:
    lines = [
        "## Summary",
        "Geometric means over the queries, with the smallest ratio in brackets.",
        "",
        "| | faster than Prometheus | than VictoriaMetrics | less CPU than Prometheus "
        "| than VictoriaMetrics |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for ours in OURS:
        cells = [
            _mean_cell(ratios(results, ours, p, f, metadata=False))
            for f in ("median_ms", "cpu_ms")
            for p in PEERS
        ]
        lines.append(f"| {TITLES[ours]} | {' | '.join(cells)} |")
    for ours in ("novaql", "novaql json"):
        cells = [
            _mean_cell(ratios(results, ours, p, f, metadata=True))
            for f in ("median_ms", "cpu_ms")
            for p in PEERS
        ]
        lines.append(f"| {TITLES[ours]}, metadata | {' | '.join(cells)} |")
    return "\n".join(lines) if results.get("queries") else ""


def _mean_cell(found: dict[str, float]) -> str:
    if not found:
        return "–"
    return f"{geometric_mean(found.values()):.1f}× ({min(found.values()):.2f}×)"


def _queries(results: Results) -> str:
    rows = results.get("queries", [])
    if not rows:
        return ""
    names = [name for name in ORDER if any(name in row["systems"] for row in rows)]
    lines = [
        "## Every query",
        "Median milliseconds / CPU milliseconds of the whole process.",
        "",
        "| query | series × points | " + " | ".join(TITLES[name] for name in names) + " |",
        "| --- | ---: |" + " ---: |" * len(names),
    ]
    for row in rows:
        size = f"{row.get('series', 0)} × {row.get('points', 0) // max(1, row.get('series', 1))}"
        cells = [_figures(row["systems"].get(name, {})) for name in names]
        lines.append(f"| {row['query']} | {size} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _figures(found: dict[str, Any]) -> str:
    if "error" in found:
        return "error"
    if "median_ms" not in found:
        return ""
    return f"{number(found['median_ms'])} / {number(found['cpu_ms'])}"


def _breadth(results: Results) -> str:
    rows = results.get("breadth", [])
    if not rows:
        return ""
    lines = [
        "## Every function",
        "Every function, aggregator and operator in one query over 1 000 series × 90 steps "
        "(`benchmarks/breadth_entries.py`), under `sum`, so that no system spends its time on "
        "writing JSON: median milliseconds. Systems that lack a function have no figure.",
        "",
        "| | faster than Prometheus | than VictoriaMetrics |",
        "| --- | ---: | ---: |",
    ]
    for ours in ("novaql", "novaql json"):
        cells = [_mean_cell(ratios(results, ours, p, "median_ms", part="breadth")) for p in PEERS]
        lines.append(f"| {TITLES[ours]} | {' | '.join(cells)} |")
    names = [name for name in ORDER if any(name in row["systems"] for row in rows)]
    lines += [
        "",
        "| | " + " | ".join(TITLES[name] for name in names) + " |",
        "| --- |" + " ---: |" * len(names),
    ]
    for row in rows:
        found = [row["systems"].get(name, {}) for name in names]
        cells = [number(one["median_ms"]) if "median_ms" in one else "" for one in found]
        lines.append(f"| `{row['query']}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def _answers(results: Results) -> str:
    lines = ["## Answers", "Compared with Prometheus's answers before the queries were timed.", ""]
    for name in ORDER[1:]:
        verdicts: dict[str, list[str]] = {}
        for row in results.get("queries", []):
            found = row["systems"].get(name, {})
            if "compare" in found:
                verdicts.setdefault(found["compare"]["verdict"], []).append(row["query"])
            elif "error" in found:
                verdicts.setdefault("error", []).append(f"{row['query']} ({found['error']})")
        if verdicts:
            counts = [f"{len(verdicts.pop('equal', []))} equal to 1e-9"]
            counts += [
                f"{len(some)} {verdict}: {', '.join(some)}" for verdict, some in verdicts.items()
            ]
            lines.append(f"- {TITLES[name]}: {'; '.join(counts)}")
    return "\n".join(lines) if results.get("queries") else ""


def _memory(results: Results) -> str:
    found, large = results.get("memory", {}), results.get("large_query")
    lines = ["## Memory"]
    if found:
        lines += ["", "| | peak MiB after all queries |", "| --- | ---: |"]
    processes = [name for name in ORDER if name not in ("novaql cold", "novaql arrow")]
    lines += [
        f"| {TITLES[name]} | {found[name]['peak']:.0f} |"
        for name in processes
        if "peak" in found.get(name, {})
    ]
    if large is not None:
        lines += [
            "",
            f"`{large['query']}` over {large['series']} series × {large['hours']} h, "
            f"{large['samples']} samples of which no page was decoded, takes "
            f"{number(large['wall_s'])} s in a separate process. It adds "
            f"{number(large['adds_mib'])} MiB of memory at the peak, of which the process retains "
            f"{number(large['keeps_mib'])} MiB. A query over its budget: "
            f"“{large['over_budget']}”; the process answers the next one.",
        ]
    return "\n".join(lines) if len(lines) > 1 else ""


def _panel(results: Results) -> str:
    rows = results.get("panel", [])
    if not rows:
        return ""
    lines = [
        "## A refreshed panel",
        "24 hours at steps of a minute, refreshed when there is one more step; caches on.",
        "",
        "| | query | first ms | refreshed, median ms | p95 ms | without the cache, median ms |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        if "error" in row:
            lines.append(f"| {row['where']} | `{row['query']}` | {row['error']} | | | |")
            continue
        figures = (number(row[key]) for key in ("first_ms", "median_ms", "p95_ms", "uncached_ms"))
        lines.append(f"| {row['where']} | `{row['query']}` | {' | '.join(figures)} |")
    return "\n".join(lines)


def _clients(results: Results) -> str:
    rows = results.get("clients", [])
    if not rows:
        return ""
    lines = [
        "## Many clients",
        "Dashboard clients that repeat twelve queries without a pause. "
        "The clients run on the same cores.",
        "",
        "| | clients | queries a second | median ms | p99 ms |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        if "per_second" in row:
            figures = (number(row[key]) for key in ("per_second", "median_ms", "p99_ms"))
            lines.append(f"| {TITLES[row['system']]} | {row['clients']} | {' | '.join(figures)} |")
        elif "error" in row:
            lines.append(
                f"| {TITLES[row['system']]} | {row.get('clients', '')} | {row['error']} | | |"
            )
    lines += [
        "",
        "A small query (one series, 1440 points) alone, and beside two clients that send large "
        "ones without a pause:",
        "",
        "| | alone: median / p99 ms | beside large ones: median / p99 ms | p99 beside ÷ p99 alone "
        "| ÷ median alone | large a second |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        if "busy_p99_ms" in row:
            alone = f"{number(row['idle_median_ms'])} / {number(row['idle_p99_ms'])}"
            beside = f"{number(row['busy_median_ms'])} / {number(row['busy_p99_ms'])}"
            than = (row["idle_p99_ms"], row["idle_median_ms"])
            slower = " | ".join(f"{row['busy_p99_ms'] / ms:.1f}" for ms in than)
            large = number(row["large_per_second"])
            lines.append(f"| {TITLES[row['system']]} | {alone} | {beside} | {slower} | {large} |")
    return "\n".join(lines)


def _growth(results: Results) -> str:
    rows = results.get("growth", [])
    if not rows:
        return ""
    lines = [
        "## How cost grows",
        f"`{rows[0]['query']}` in process, one sample a minute, about 300 steps.",
        "",
        "| by | series | hours | samples | warm ms | CPU ms | cold ms | CPU ms | adds MiB |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        head = f"| {row['axis']} | {row['series']} | {row['hours']:g} |"
        if "error" in row:
            lines.append(f"{head} {row['error']} | | | | | |")
            continue
        keys = ("median_ms", "cpu_ms", "cold_median_ms", "cold_cpu_ms", "added_mib")
        lines.append(f"{head} {row['samples']} | {' | '.join(number(row[key]) for key in keys)} |")
    return "\n".join(lines)


def _failures(results: Results) -> str:
    failed = results.get("failed", {})
    if not failed:
        return ""
    return "## Failures\n\n" + "\n".join(f"- {part}: {why}" for part, why in failed.items())


SECTIONS: tuple[Callable[[Results], str], ...] = (
    acceptance.section,
    _summary,
    _queries,
    _answers,
    _breadth,
    _memory,
    _panel,
    _clients,
    _growth,
    _failures,
)
