"""`python -m benchmarks.compare A.json B.json`: medians of two benchmark files, with ratios."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from pathlib import Path


def medians(path: Path) -> dict[str, float]:
    """Benchmark → median seconds. Raises OSError, or ValueError for a file that is not a benchmark
    file."""
    try:
        runs = json.loads(path.read_text(encoding="utf-8"))["benchmarks"]
        return {run["fullname"].rpartition("/")[2]: run["stats"]["median"] for run in runs}
    except (KeyError, TypeError, json.JSONDecodeError) as problem:
        raise ValueError(f"{path} was not written by --benchmark-json: {problem!r}") from problem


def table(before: Mapping[str, float], after: Mapping[str, float]) -> str:
    """One line a benchmark that both have, slowest change first, and the geometric mean."""
    both = sorted(before.keys() & after.keys(), key=lambda name: before[name] / after[name])
    if not both:
        return "no benchmark is in both files"
    width = max(len(name) for name in both)
    lines = [f"{'':{width}}  {'before':>10}  {'after':>10}  ratio"]
    for name in both:
        ratio = after[name] / before[name]
        times = f"{milliseconds(before[name])}  {milliseconds(after[name])}"
        lines.append(f"{name:{width}}  {times}  {ratio:5.2f}")
    mean = math.exp(sum(math.log(after[n] / before[n]) for n in both) / len(both))
    lines.append(f"{'geometric mean':{width}}  {'':10}  {'':10}  {mean:5.2f}")
    for label, names in (
        ("only before", before.keys() - both),
        ("only after", after.keys() - both),
    ):
        lines += [f"{label}: {name}" for name in sorted(names)]
    return "\n".join(lines)


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:7.3f} ms"


def main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        print("usage: python -m benchmarks.compare BEFORE.json AFTER.json", file=sys.stderr)
        return 2
    try:
        before, after = (medians(Path(argument)) for argument in arguments)
    except (OSError, ValueError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    print(table(before, after))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
