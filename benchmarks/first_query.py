"""The first query of a fresh process: a sum over 10 000 series × 6 h, import and opening included.

    python -m benchmarks.first_query [--rounds 7]

The store's files are in the page cache, and the program is compiled to bytecode, as an installed
one is. The figures are medians of processes that run one after the other: CPU time of all threads,
and wall time. Decides what an import may load, and when compiled code is worth loading.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import click

from benchmarks.datasets import START_MS, fleet
from novaql import tsdb

SERIES, HOURS = 10_000, 6

_ASK = """
import json, os, sys, time
begun = time.perf_counter()
import novaql
folder, start, end = sys.argv[1:]
found = novaql.query("sum(http_requests_total)", folder, start=start, end=end, step="1m")
assert found.values.size and (found.values > 0).all(), found
print(json.dumps([1e3 * time.process_time(), 1e3 * (time.perf_counter() - begun)]), flush=True)
os._exit(0)  # without waiting for kernels that are being loaded
"""


@click.command()
@click.option("--rounds", default=7, show_default=True)
@click.option(
    "--data", type=click.Path(file_okay=False, path_type=Path), help="Folder of the store."
)
def main(rounds: int, data: Path | None) -> None:
    """Build a store unless there is one, then query it from fresh processes."""
    with tempfile.TemporaryDirectory() as place:
        folder = data or Path(place) / "store"
        samples = fleet(SERIES, HOURS)
        if not folder.exists():
            with tsdb.open(folder, sync="os") as database:
                samples.fill(database).compact()
        times = str(START_MS / 1000 + 60), str(samples.end_ms / 1000)
        bytecode = Path(place) / "bytecode"
        ask(folder, times, bytecode)
        spent = [ask(folder, times, bytecode) for _ in range(rounds)]
    cpu, wall = (statistics.median(column) for column in zip(*spent, strict=True))
    click.echo(f"{cpu:.0f} ms CPU ({min(spent)[0]:.0f} at least), {wall:.0f} ms wall")


def ask(folder: Path, times: tuple[str, str], bytecode: Path) -> tuple[float, float]:
    """CPU and wall time of one process, milliseconds."""
    setting = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    setting["PYTHONPYCACHEPREFIX"] = str(bytecode)
    command = [sys.executable, "-c", _ASK, str(folder), *times]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=setting)
    cpu, wall = json.loads(done.stdout)
    return cpu, wall


if __name__ == "__main__":
    main()
