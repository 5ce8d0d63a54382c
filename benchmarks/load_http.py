"""Mixed reads at a steady rate against `novaql serve`: latency for clients, and CPU cost.

    python -m benchmarks.load_http                          500 requests/s for 20 s
    python -m benchmarks.load_http --rate 800 --seconds 60
    python -m benchmarks.load_http --warm-up 0              from an idle server
    python -m benchmarks.load_http --workers 2
    python -m benchmarks.load_http --only list              only reads whose name begins with this
    python -m benchmarks.load_http --each 300               CPU of each kind of read, one at a time

The mix is `load_mix.py`: lists, single things, what is measured (panels, health, objectives),
queries and names. Requests start when their time has come, whether or not earlier ones were
answered (`load_client.py`). The client shares the machine's cores with the server, so it prints CPU
seconds of both, and of all other programs: on a machine with other load, CPU seconds are more
meaningful than waits. Decides which part of a request besides the query is worth optimising.

The figures are of a steady load. The same load runs for `--warm-up` seconds immediately before and
is in no figure: an idle server has no valid answers in its caches, and the first requests after a
pause cost twice as much as later ones. The output states the warm-up.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click
import numpy as np
import psutil
import uvloop

from benchmarks.load_client import Seen, due_times, load
from benchmarks.load_content import fill
from benchmarks.load_mix import Read, reads, requests_of

_UNLIMITED = (
    "RATE_PER_MINUTE",
    "RATE_PER_DAY",
    "PROMETHEUS_PER_MINUTE",
    "AUTH_FAILURES_PER_MINUTE",
)


@contextmanager
def served(*arguments: str, database: str = "") -> Iterator[tuple[int, str, int]]:
    """A server without quotas: its port, a token and its process id."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            *(sys.executable, "-m", "novaql", "serve", "--data", folder),
            *("--listen", "127.0.0.1:0", "--log-level", "warning", *arguments),
        ]
        environ = os.environ | {f"NOVAQL_{name}": "0" for name in _UNLIMITED}
        environ |= {"NOVA_EGRESS_ALLOW": "127.0.0.0/8"}  # checks and integrations use this server
        environ |= {"NOVAQL_DATABASE_URL": database} if database else {}
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as server:
            try:
                assert server.stdout is not None
                port = int(server.stdout.readline().rpartition(":")[2])
                server.stdout.readline()
                token = server.stdout.readline().strip()
                yield port, token, server.pid
            finally:
                server.terminate()
                server.wait()


def cpu_of(pid: int) -> dict[int, float]:
    """CPU seconds of a process and its children, each by its id."""
    process = psutil.Process(pid)
    found = {}
    for one in (process, *process.children(recursive=True)):
        times = one.cpu_times()
        found[one.pid] = times.user + times.system
    return found


def busy_of_all() -> float:
    """CPU seconds that all programs of this machine have used."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - times.iowait - times.guest - times.guest_nice)


def until_idle(pid: int) -> None:
    """Return once the server is nearly idle: it has prepared its kernels by then."""
    quiet = 0
    while quiet < 3:
        before = sum(cpu_of(pid).values())
        time.sleep(1)
        quiet = quiet + 1 if sum(cpu_of(pid).values()) - before < 0.15 else 0


def measure(
    port: int,
    pid: int,
    requests: Sequence[tuple[str, bytes]],
    due: Sequence[float],
    connections: int,
) -> Seen:
    """Do one run, and print its costs."""
    before, own, everyone = cpu_of(pid), time.process_time(), busy_of_all()
    began = time.perf_counter()
    seen = uvloop.run(load(port, requests, due, connections))
    wall = time.perf_counter() - began
    after = cpu_of(pid)
    used = [after[one] - before.get(one, 0.0) for one in after]
    own = time.process_time() - own
    others = busy_of_all() - everyone - own - sum(used)
    count = len(requests)
    processes = " + ".join(f"{x:.1f}" for x in used)
    click.echo(
        f"{count / wall:.0f} requests/s for {wall:.1f} s; server {processes} CPU s "
        f"({sum(used) / count * 1000:.2f} ms a request), client {own:.1f} CPU s, "
        f"others {others:.1f}; client late by {np.percentile(seen.late, 99):.1f} ms (p99), "
        f"{max(seen.late):.0f} at most"
    )
    return seen


def show(seen: Seen) -> None:
    """A table of waits."""
    every = [ms for waits in seen.waits.values() for ms in waits]
    click.echo(f"{'':28}{'count':>7}{'p50':>8}{'p95':>8}{'p99':>8}{'max':>8}  ms")
    for name, ms in [("all", every), *sorted(seen.waits.items())]:
        shown = "".join(f"{x:8.1f}" for x in (*np.percentile(ms, [50, 95, 99]), max(ms)))
        click.echo(f"{name:28}{len(ms):7}{shown}")


def each(port: int, pid: int, mix: Sequence[Read], token: str, count: int) -> None:
    """CPU milliseconds of the server for each kind of read, sent one after another."""
    weights = sum(read.weight for read in mix)
    total = 0.0
    click.echo(f"{'':28}{'weight':>7}{'CPU':>8}{'p50':>8}{'p99':>8}  ms")
    for read in mix:
        requests = requests_of([read], count, token)
        asyncio.run(load(port, requests[:20], [0.0] * 20, 1))
        before = sum(cpu_of(pid).values())
        seen = asyncio.run(load(port, requests, [0.0] * count, 1))
        cpu = (sum(cpu_of(pid).values()) - before) / count * 1000
        total += cpu * read.weight / weights
        (ends,) = seen.waits.values()
        gaps = np.diff(ends)
        shown = "".join(f"{x:8.2f}" for x in (cpu, *np.percentile(gaps, [50, 99])))
        click.echo(f"{read.name:28}{read.weight:7}{shown}")
    click.echo(f"{'mean by weight':28}{weights:7}{total:8.2f}")


@click.command()
@click.option("--rate", default=500.0, show_default=True, help="Requests a second.")
@click.option("--seconds", default=20.0, show_default=True)
@click.option("--warm-up", default=15.0, show_default=True, help="Seconds of load before it.")
@click.option("--connections", default=32, show_default=True)
@click.option("--poisson", is_flag=True, help="Due at random times, instead of evenly.")
@click.option("--only", default="", help="Only reads whose name begins so: list, query, …")
@click.option("--each", "each_count", default=0, help="So many of each kind, one at a time.")
@click.option("--workers", default=1, show_default=True)
@click.option("--database", default="", help="A PostgreSQL URL instead of SQLite.")
@click.option("--rounds", default=1, show_default=True)
def main(
    rate: float,
    seconds: float,
    warm_up: float,
    connections: int,
    poisson: bool,
    only: str,
    each_count: int,
    workers: int,
    database: str,
    rounds: int,
) -> None:
    """Measure, and print a table."""
    arguments = [] if workers == 1 else ["--workers", str(workers)]
    with served(*arguments, database=database) as (port, token, pid):
        content = fill(f"http://127.0.0.1:{port}", token)
        mix = [read for read in reads(content) if read.name.startswith(only)]
        warm = requests_of(mix, int(2 * rate), token, seed=8)
        uvloop.run(load(port, warm, due_times(len(warm), rate / 2, poisson=False), connections))
        until_idle(pid)
        if each_count:
            each(port, pid, mix, token, each_count)
            return
        click.echo(f"not in the figures: a warm-up of {warm_up:g} s at {rate:g} requests/s")
        warm = requests_of(mix, int(rate * warm_up), token, seed=9)
        uvloop.run(load(port, warm, due_times(len(warm), rate, poisson=poisson), connections))
        for number in range(rounds):
            requests = requests_of(mix, int(rate * seconds), token, seed=number)
            due = due_times(len(requests), rate, poisson=poisson, seed=number)
            show(measure(port, pid, requests, due, connections))


if __name__ == "__main__":
    main()
