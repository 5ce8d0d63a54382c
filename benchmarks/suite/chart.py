"""The figures as pictures: SVG, drawn by matplotlib (extra `plot`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.suite.figures import Results, geometric_mean
from benchmarks.suite.measuring import ORDER
from benchmarks.suite.report import TITLES

COLOURS = {
    "prometheus": "#c4453c",
    "victoriametrics": "#7a5299",
    "novaql": "#1f6f5c",
    "novaql numpy": "#b08a2e",
    "novaql cold": "#5aa28f",
    "novaql json": "#2f7fb8",
    "novaql arrow": "#8fbfe0",
}


def draw(results: Results, folder: Path) -> list[str]:
    """Draw a chart for each part with results; return the names of the files."""
    import matplotlib as mpl  # noqa: PLC0415 - an extra, needed at the end of a run

    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "novaql", "font.size": 9, "axes.spines.top": False})
    made = []
    for name, rows, paint in (
        ("queries.svg", results.get("queries"), _queries),
        ("growth.svg", results.get("growth"), _growth),
        ("clients.svg", results.get("clients"), _clients),
    ):
        if rows and paint(rows, folder / name):
            made.append(name)
    return made


def _queries(rows: list[dict[str, Any]], path: Path) -> bool:
    """Milliseconds of every query, shortest first, on a logarithmic scale."""
    import matplotlib.pyplot as plt  # noqa: PLC0415 - as above

    names = [name for name in ORDER if any("median_ms" in r["systems"].get(name, {}) for r in rows)]
    if not names:
        return False
    figure, (means, axes) = plt.subplots(
        1, 2, figsize=(11, 0.24 * len(rows) + 1.5), width_ratios=(1, 2.2), layout="constrained"
    )
    for place, name in enumerate(names):
        found = [
            row["systems"][name]["median_ms"]
            for row in rows
            if row["group"] != "metadata" and "median_ms" in row["systems"].get(name, {})
        ]
        mean = geometric_mean(found)
        means.barh(place, mean, color=COLOURS[name])
        means.annotate(f" {mean:.1f} ms", (mean, place), va="center")
    means.set_yticks(range(len(names)), [TITLES[name] for name in names])
    means.invert_yaxis()
    means.margins(x=0.25)
    means.set_xlabel("geometric mean of all queries, ms")
    ordered = sorted(rows, key=lambda r: r["systems"].get(names[0], {}).get("median_ms", 0.0))
    for name in names:
        points = [(r["systems"].get(name, {}).get("median_ms"), at) for at, r in enumerate(ordered)]
        there = [(x, y) for x, y in points if x is not None]
        axes.plot(*zip(*there, strict=True), "o", color=COLOURS[name], label=TITLES[name], ms=5)
    axes.set_yticks(range(len(ordered)), [row["query"] for row in ordered], fontsize=7)
    axes.set_xscale("log")
    axes.set_xlabel("median, ms")
    axes.grid(axis="x", alpha=0.3)
    axes.legend(loc="lower right", fontsize=7)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
    return True


def _growth(rows: list[dict[str, Any]], path: Path) -> bool:
    """Milliseconds by series and by hours, both scales logarithmic."""
    import matplotlib.pyplot as plt  # noqa: PLC0415 - as above

    figure, panels = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    for panel, axis in zip(panels, ("series", "hours"), strict=True):
        there = [row for row in rows if row["axis"] == axis and "median_ms" in row]
        for key, label in (("median_ms", "pages decoded"), ("cold_median_ms", "pages cold")):
            panel.plot([r[axis] for r in there], [r[key] for r in there], "o-", label=label)
        panel.set(xscale="log", yscale="log", xlabel=axis, ylabel="ms")
        panel.grid(alpha=0.3)
    panels[0].legend()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
    return True


def _clients(rows: list[dict[str, Any]], path: Path) -> bool:
    """Queries a second by number of clients."""
    import matplotlib.pyplot as plt  # noqa: PLC0415 - as above

    there = [row for row in rows if "per_second" in row]
    if not there:
        return False
    figure, axes = plt.subplots(figsize=(5, 3.2), layout="constrained")
    for name in dict.fromkeys(row["system"] for row in there):
        some = [row for row in there if row["system"] == name]
        axes.plot(
            [row["clients"] for row in some],
            [row["per_second"] for row in some],
            "o-",
            color=COLOURS[name],
            label=TITLES[name],
        )
    axes.set(xscale="log", xlabel="clients", ylabel="queries a second", ylim=(0, None))
    axes.set_xticks([1, 2, 4, 8, 16], ["1", "2", "4", "8", "16"])
    axes.legend(fontsize=7)
    axes.grid(alpha=0.3)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
    return True
