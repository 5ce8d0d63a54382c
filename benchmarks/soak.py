"""The memory of a server under constant load, while its series are replaced by others.

    python -m benchmarks.soak                        ten minutes
    python -m benchmarks.soak --minutes 120 --samples 2000 --churn 0.1 --rules 10 --queries 5
    python -m benchmarks.soak --minutes 480 --speed 4     eight hours of data in two

A server in a separate process receives samples by remote write, evaluates rules every 15 s, and
answers range queries of dashboards, whose steps no two queries share. With `--speed`, the times of
samples and queries advance faster than the clock; the rates of rules and queries do not change.
Prints one JSON object for each minute of data:

    {"minute":1,"rss_mib":301.5,"anonymous_mib":190.2,"cache_mib":40.1,"head_mib":1.9,"blocks":0,
     "cpu_s":14.1,"samples":120000,"series":22000,"queries":300,"failed":0}

At the end, it prints one object for the minutes from each flush of the head to the next. Memory
rises and falls with the head, so only whole cycles are comparable:

    {"from":31,"to":60,"rss_mib":747.1,"cache_mib":140.2,"without_cache_mib":606.9,
     "least_mib":402.5}

`anonymous_mib` is the part of `rss_mib` that is not mapped from files; `cache_mib` is what the
store caches, and `head_mib` the samples in its head. `least_mib` is the smallest difference of
resident set and cache in a minute of the cycle, when few queries computed: it rises from cycle to
cycle if something is held. `failed` counts requests without a 2xx status. Decides the bounds of
caches in docs/design/resources.md.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import fmean

import click
import cramjam
import httpx
import numpy as np
import psutil

from benchmarks.senders import label_bytes, sample_bytes
from novaql.inputs.protobuf.wire import varint

_WRITE = {
    "Content-Encoding": "snappy",
    "Content-Type": "application/x-protobuf",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}
_BYTES_OF_A_SAMPLE = 18
_PANELS = (
    "sum by (job) (rate(requests_total[5m]))",
    'topk(5, rate(requests_total{{job="job-{job}"}}[5m]))',
    'requests_total{{job="job-{job}",instance=~"i-{digit}.*"}}',
    "quantile by (job) (0.9, rate(requests_total[1m]))",
    'count(requests_total{{job="job-{job}"}} offset 2m)',
)


@dataclass(slots=True)
class Load:
    """The load: the samples that are sent, and those sent so far.

    samples    of a second
    interval   seconds between two samples of a series
    churn      share of the series that is replaced in a minute
    speed      seconds of data in a second of the clock
    """

    samples: int
    interval: int
    churn: float
    speed: float = 1.0
    began: float = field(default_factory=time.time)
    sent: int = 0
    queries: int = 0
    failed: int = 0
    created: int = 0
    stopped: threading.Event = field(default_factory=threading.Event)

    def write(self, url: str) -> None:
        """Send a message for each second of data, until stopped: a series once in an interval."""
        slices = [[self._new() for _ in range(self.samples)] for _ in range(self.interval)]
        replaced, began, second = 0.0, time.monotonic(), 0
        with httpx.Client(base_url=url, timeout=60) as client:
            while not self.stopped.wait(max(0.0, began + second / self.speed - time.monotonic())):
                rows = slices[second % self.interval]
                replaced += self.churn * len(rows) * self.interval / 60
                while replaced >= 1:
                    rows[random.randrange(len(rows))] = self._new()
                    replaced -= 1
                body = _message(rows, self._now(), second)
                self._count(client.post("/prometheus/api/v1/write", content=body, headers=_WRITE))
                self.sent += len(rows)
                second += 1

    def ask(self, url: str, rate: float) -> None:
        """Send `rate` queries a second until stopped: over the last hour, with varying times."""
        began, sent = time.monotonic(), 0
        with httpx.Client(base_url=url, timeout=60) as client:
            while not self.stopped.wait(max(0.0, began + sent / rate - time.monotonic())):
                text = _PANELS[sent % len(_PANELS)]
                text = text.format(job=random.randrange(20), digit=random.randrange(10))
                end = self._now()
                query: dict[str, str | float] = {
                    "query": text,
                    "start": end - 3600,
                    "end": end,
                    "step": 15,
                }
                self._count(client.get("/prometheus/api/v1/query_range", params=query))
                self.queries += 1
                sent += 1

    def _now(self) -> float:
        return self.began + self.speed * (time.time() - self.began)

    def _new(self) -> bytes:
        number = self.created
        self.created += 1
        return label_bytes(
            {
                "__name__": "requests_total",
                "instance": f"i-{number:07x}",
                "job": f"job-{number % 20}",
                "pod": f"web-{number * 2654435761 % (1 << 32):08x}",
            }
        )

    def _count(self, answer: httpx.Response) -> None:
        self.failed += not answer.is_success


def _message(rows: list[bytes], now: float, second: int) -> bytes:
    times = np.full(len(rows), int(now * 1000))
    samples = sample_bytes(times, np.arange(len(rows), dtype=np.float64) * 7.0 + second)
    parts = []
    for row, labels in enumerate(rows):
        own = samples[row * _BYTES_OF_A_SAMPLE : (row + 1) * _BYTES_OF_A_SAMPLE]
        parts += [b"\x0a", varint(len(labels) + _BYTES_OF_A_SAMPLE), labels, own]
    return bytes(cramjam.snappy.compress_raw(b"".join(parts)))


def _rules(count: int) -> str:
    """A rule file of Prometheus: recording and alerting rules in turn."""
    lines = ["groups:", "  - name: soak", "    interval: 15s", "    rules:"]
    for number in range(count):
        job = f'requests_total{{job="job-{number}"}}'
        if number % 2:
            lines += [f"      - alert: Slow{number}", f"        expr: sum(rate({job}[5m])) < 0"]
        else:
            lines += [f"      - record: job:rate{number}", f"        expr: sum(rate({job}[5m]))"]
    return "\n".join(lines)


@contextmanager
def _server(folder: Path) -> Iterator[tuple[psutil.Process, str]]:
    command = [
        sys.executable, "-m", "novaql", "serve", "--no-auth", "--data", str(folder),
        "--listen", "127.0.0.1:0", "--log-level", "warning",
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[-1]
            yield psutil.Process(process.pid), url
        finally:
            process.terminate()


def _store_stats(url: str) -> dict[str, float]:
    lines = httpx.get(f"{url}/metrics", timeout=60).text.splitlines()
    own = [line.removeprefix("novaql_tsdb_") for line in lines if line.startswith("novaql_tsdb_")]
    return {name: float(value) for name, _, value in (line.partition(" ") for line in own)}


def _measured(minute: int, process: psutil.Process, url: str, load: Load) -> dict[str, float]:
    memory, cpu, stats = process.memory_info(), process.cpu_times(), _store_stats(url)
    return {
        "minute": minute,
        "rss_mib": round(memory.rss / 2**20, 1),
        "anonymous_mib": round((memory.rss - memory.shared) / 2**20, 1),
        "cache_mib": round(stats["cache_bytes"] / 2**20, 1),
        "head_mib": round(stats["head_bytes"] / 2**20, 1),
        "blocks": int(stats["blocks"]),
        "cpu_s": round(cpu.user + cpu.system, 1),
        "samples": load.sent,
        "series": load.created,
        "queries": load.queries,
        "failed": load.failed,
    }


def cycles(minutes: list[dict[str, float]]) -> list[dict[str, float]]:
    """Means of the minutes from each flush of the head to the next. The first flush ends the first
    cycle; minutes after the last flush are left out."""
    flushed = [
        number
        for number in range(1, len(minutes))
        if minutes[number]["head_mib"] < minutes[number - 1]["head_mib"] / 2
    ]
    found = []
    for begin, end in pairwise([0, *flushed]):
        part = minutes[begin:end]
        rss, cache = (fmean(one[name] for one in part) for name in ("rss_mib", "cache_mib"))
        found.append(
            {
                "from": part[0]["minute"],
                "to": part[-1]["minute"],
                "rss_mib": round(rss, 1),
                "cache_mib": round(cache, 1),
                "without_cache_mib": round(rss - cache, 1),
                "least_mib": round(min(one["rss_mib"] - one["cache_mib"] for one in part), 1),
            }
        )
    return found


def _print(line: dict[str, float]) -> None:
    click.echo(json.dumps(line, separators=(",", ":")))


@click.command()
@click.option("--minutes", default=10, show_default=True, help="Minutes of data.")
@click.option("--samples", default=2000, show_default=True, help="Samples a second of data.")
@click.option("--interval", default=10, show_default=True, help="Seconds between two of a series.")
@click.option("--churn", default=0.1, show_default=True, help="Share replaced in a minute.")
@click.option("--rules", default=10, show_default=True)
@click.option("--queries", default=5.0, show_default=True, help="Range queries a second.")
@click.option("--speed", default=1.0, show_default=True, help="Seconds of data in a second.")
def main(
    minutes: int,
    samples: int,
    interval: int,
    churn: float,
    rules: int,
    queries: float,
    speed: float,
) -> None:
    """Print the memory of a server under constant load, each minute of data."""
    load = Load(samples, interval, churn, speed)
    lines: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as place, _server(Path(place)) as (process, url):
        if rules:
            body = {"file": "soak.yml", "document": _rules(rules)}
            httpx.post(f"{url}/v1/alert-rules/import", json=body, timeout=60).raise_for_status()
        threads = [threading.Thread(target=load.write, args=(url,))]
        if queries:
            threads.append(threading.Thread(target=load.ask, args=(url, queries)))
        began = time.monotonic()
        for thread in threads:
            thread.start()
        try:
            for minute in range(1, minutes + 1):
                time.sleep(max(0.0, began + minute * 60 / speed - time.monotonic()))
                lines.append(_measured(minute, process, url, load))
                _print(lines[-1])
            for cycle in cycles(lines):
                _print(cycle)
        finally:
            load.stopped.set()
            for thread in threads:
                thread.join()


if __name__ == "__main__":
    main()
