"""Remote write over real HTTP: a server in a separate process, and its CPU seconds.

    python -m benchmarks.ingest_http                     one sample per series and message
    python -m benchmarks.ingest_http --together 20       a backlog
    python -m benchmarks.ingest_http --sync always       acknowledged after fsync
    python -m benchmarks.ingest_http --churn             every series of every message is new
    python -m benchmarks.ingest_http --series 6667 --hours 6 --rounds 1      memory: 14.4 M samples

Two connections send messages that are made before the clock starts. CPU is read from the operating
system when the last message is acknowledged, and again when the server has stopped, with everything
in blocks. The peer benchmark measures the same of Prometheus and VictoriaMetrics:

    peers.py --slice 15 --sets requests --drop --systems prometheus,victoria
    peers.py --slice 15 --sets requests --url http://127.0.0.1:PORT/api/v1/write --pid PID
"""

from __future__ import annotations

import http.client
import os
import queue
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import click

from benchmarks.datasets import fleet
from benchmarks.senders import churning_messages, remote_write_messages

_HEADERS = {
    "Content-Encoding": "snappy",
    "Content-Type": "application/x-protobuf",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}
_WAITING = 32
"""Messages that are made ahead, where they are made while others are sent."""


@dataclass(frozen=True, slots=True)
class Measured:
    """The cost of one run. `cpu_s` while sending, `whole_cpu_s` from then until the server ended;
    MiB resident before the first message, after the last one, and at most."""

    samples: int
    messages: int
    wall_s: float
    cpu_s: float
    whole_cpu_s: float
    idle_mib: float
    end_mib: float
    peak_mib: float

    def line(self) -> str:
        return (
            f"{self.samples} samples in {self.messages} messages, {self.wall_s:.2f} s: "
            f"{self.samples / self.cpu_s / 1e6:.2f} M samples per CPU-second while sending, "
            f"{self.samples / self.whole_cpu_s / 1e6:.2f} M with all of them in blocks; "
            f"{self.idle_mib:.0f} MiB resident before, {self.end_mib:.0f} at the end, "
            f"{self.peak_mib:.0f} at most"
        )


def measure(messages: list[bytes], samples: int, *, sync: str) -> Measured:
    """Send all messages to a fresh server."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable, "-m", "novaql", "serve", "--no-auth", "--data", folder,
            "--listen", "127.0.0.1:0", "--sync", sync, "--log-level", "warning",
        ]  # fmt: skip
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None
                found = re.search(r"127\.0\.0\.1:(\d+)", server.stdout.readline())
                assert found is not None
                before, idle = settled(server.pid), resident_mib(server.pid)
                began = time.perf_counter()
                send(messages, int(found[1]))
                wall, cpu = time.perf_counter() - began, cpu_seconds(server.pid) - before
                end, peak = resident_mib(server.pid), resident_mib(server.pid, "VmHWM")
                server.terminate()
                _, _, usage = os.wait4(server.pid, 0)
                server.returncode = 0
            finally:
                if server.returncode is None:
                    server.kill()
    whole = usage.ru_utime + usage.ru_stime - before
    return Measured(samples, len(messages), wall, cpu, whole, idle, end, peak)


def send(messages: Iterable[bytes], port: int, connections: int = 2) -> None:
    """Send every message once, in order, except that messages on different connections may overtake
    each other."""
    waiting: queue.Queue[bytes | None] = queue.Queue(_WAITING)
    problems: list[str] = []

    def run() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        while (body := waiting.get()) is not None:
            if problems:
                continue
            connection.request("POST", "/api/v1/write", body, _HEADERS)
            answer = connection.getresponse()
            said = answer.read()
            if answer.status != 204:
                problems.append(f"{answer.status} {said[:200]!r}")
        connection.close()

    threads = [threading.Thread(target=run) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for message in messages:
        waiting.put(message)
    for _ in threads:
        waiting.put(None)
    for thread in threads:
        thread.join()
    if problems:
        raise click.ClickException(problems[0])


def settled(pid: int) -> float:
    """Return the CPU seconds once the process is idle: its kernels are then compiled or loaded."""
    now = cpu_seconds(pid)
    while True:
        before = now
        time.sleep(1.5)
        now = cpu_seconds(pid)
        if now - before < 0.05:
            return now


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mib(pid: int, which: str = "VmRSS") -> float:
    """Resident memory of a process now; `VmHWM`: its peak so far."""
    found = re.search(rf"{which}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


@click.command()
@click.option("--series", default=10_000, show_default=True, help="Request counters of the fleet.")
@click.option("--hours", default=3.0, show_default=True, help="Of a scrape every 15 seconds.")
@click.option("--together", default=1, show_default=True, help="Samples per series and message.")
@click.option("--sync", type=click.Choice(["interval", "always", "os"]), default="interval")
@click.option("--churn", is_flag=True, help="Only new series, 10 000 in a message.")
@click.option("--rounds", default=3, show_default=True)
def main(series: int, hours: float, together: int, sync: str, churn: bool, rounds: int) -> None:
    """Measure several times."""
    if churn:
        messages = list(churning_messages(40))
        samples = 10_000 * len(messages)
    else:
        made = fleet(series, hours)
        messages = list(remote_write_messages(made, together=together))
        scrapes = len(made.targets[0].times) // together * together
        samples = scrapes * sum(len(target.series) for target in made.targets)
    for _ in range(rounds):
        click.echo(measure(messages, samples, sync=sync).line())


if __name__ == "__main__":
    main()
