"""The latency of a quiet tenant while another tenant floods `novaql serve`.

    python -m benchmarks.abuse                               every flood, three rounds
    python -m benchmarks.abuse --only dashboards --rounds 5
    python -m benchmarks.abuse --workers 2 --kind postgresql

The quiet tenant asks a small query and writes a sample in turn. Each round has a calm period, then
each flood (`tests/support/abuse/floods.py`), so that changes of the machine's other load affect
both. The output has the medians over the rounds of the p99 of both, their ratios to the calm
period, and the time until latencies are as low as before. The goals: at most five times the
latency, only answers with 200 and 204, and ten seconds to recover. Decides the shares of tenants.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import click
import numpy as np

from tests.support.abuse.floods import FLOODS
from tests.support.abuse.rig import AbuseRig, Noticed, abuse_rig

CALM = "calm"
MOST_RATIO, MOST_RECOVERY_S = 5.0, 10.0


def p99(seconds: list[float]) -> float:
    """The 99th percentile in milliseconds."""
    return float(np.percentile(seconds, 99)) * 1000 if seconds else float("nan")


def round_of(rig: AbuseRig, name: str, seconds: float) -> tuple[Noticed, float, float]:
    """The effect on the quiet tenant during a flood or a calm period, and its p99 of queries and
    writes."""
    with rig.watched() as noticed:
        if name == CALM:
            time.sleep(seconds)
        else:
            FLOODS[name].run(rig, seconds)
        queries, writes = list(noticed.query_s), list(noticed.write_s)
    return noticed, p99(queries), p99(writes)


@click.command()
@click.option("--only", multiple=True, type=click.Choice(list(FLOODS)), help="these floods alone")
@click.option("--rounds", default=3, show_default=True)
@click.option("--seconds", default=10.0, show_default=True, help="of each flood")
@click.option("--workers", default=1, show_default=True)
@click.option("--kind", type=click.Choice(["sqlite", "postgresql"]), default="sqlite")
def main(only: tuple[str, ...], rounds: int, seconds: float, workers: int, kind: str) -> None:
    """Measure the latency of a quiet tenant while another floods the server."""
    names = [CALM, *(only or FLOODS)]
    queries, writes, recovery = defaultdict(list), defaultdict(list), defaultdict(list)
    refused: dict[str, int] = defaultdict(int)
    with (
        tempfile.TemporaryDirectory(prefix="novaql-abuse-") as folder,
        abuse_rig(Path(folder) / "data", kind=kind, workers=workers) as rig,
    ):
        for _ in range(rounds):
            for name in names:
                noticed, query_ms, write_ms = round_of(rig, name, seconds)
                queries[name].append(query_ms)
                writes[name].append(write_ms)
                recovery[name].append(noticed.recovered_s)
                refused[name] += sum(n for s, n in noticed.statuses.items() if s not in (200, 204))
    idle_query, idle_write = (statistics.median(found[CALM]) for found in (queries, writes))
    click.echo(f"{'':16}{'query p99':>11}{'ratio':>7}{'write p99':>11}{'ratio':>7}{'back in':>9}")
    good = True
    for name in names:
        query_ms, write_ms = statistics.median(queries[name]), statistics.median(writes[name])
        ratios = query_ms / idle_query, write_ms / idle_write
        back_s = max(recovery[name])
        click.echo(
            f"{name:16}{query_ms:8.1f} ms{ratios[0]:7.1f}{write_ms:8.1f} ms{ratios[1]:7.1f}"
            f"{back_s:7.1f} s" + (f"  {refused[name]} refused" if refused[name] else "")
        )
        good &= max(ratios) <= MOST_RATIO and back_s <= MOST_RECOVERY_S and not refused[name]
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
