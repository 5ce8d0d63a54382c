"""The footprint of an installation and of a server: disk, time to the first answer, resident
memory.

`benchmarks.inputs` prints these tables, too. The size is that of the files of the installed
packages, without bytecode: those that `pip install novaql` installs, and those of `novaql[all]`.
A server starts in an empty folder; it is healthy when `/healthz` answers (of Prometheus:
`/-/healthy`). Light use is an hour of 1 500 series by remote write, and five panels that are
refreshed twelve times; the memory is read a minute later, when NovaQL has returned what it freed.
"""

from __future__ import annotations

import importlib.metadata
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import novaql
from benchmarks.datasets import fleet
from benchmarks.ingest_http import resident_mib, send, settled
from benchmarks.senders import remote_write_messages

PANELS = (
    "sum by (job) (rate(http_requests_total[5m]))",
    "topk(5, rate(http_requests_total[5m]))",
    'http_requests_total{job="job-3",method="GET"}',
    "histogram_quantile(0.9, sum by (le) (rate(http_request_duration_seconds_bucket[5m])))",
    "count by (status) (http_requests_total)",
)
REFRESHES = 12
_POLL_S, _LONGEST_S = 0.005, 120


@dataclass(frozen=True, slots=True)
class Server:
    """A server program: its command, the address of its health check and that of its queries.

    `{folder}` and `{port}` in the command are replaced.
    """

    name: str
    command: tuple[str, ...]
    healthy: str
    api: str


NOVAQL = Server(
    "NovaQL",
    (
        *(sys.executable, "-m", "novaql", "serve", "--no-auth", "--data", "{folder}/data"),
        *("--listen", "127.0.0.1:{port}", "--log-level", "warning"),
    ),
    "/healthz",
    "/prometheus/api/v1",
)
PROMETHEUS = Server(
    "Prometheus",
    (
        *("prometheus", "--config.file={folder}/prometheus.yml"),
        *("--storage.tsdb.path={folder}/data", "--web.listen-address=127.0.0.1:{port}"),
        *("--web.enable-remote-write-receiver", "--log.level=warn"),
    ),
    "/-/healthy",
    "/api/v1",
)


@dataclass(frozen=True, slots=True)
class Started:
    """A server that answers, and the seconds until then: wall time, and CPU time."""

    pid: int
    port: int
    wall_s: float
    cpu_s: float


@contextmanager
def started(server: Server) -> Iterator[Started]:
    """A server in an empty folder, from its start until its end."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "prometheus.yml").write_text("global: {scrape_interval: 15s}\n")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port: int = free.getsockname()[1]
        command = [part.format(folder=folder, port=port) for part in server.command]
        began = time.perf_counter()
        with (
            Path(folder, "log").open("w") as log,
            subprocess.Popen(command, stdout=log, stderr=log) as process,
        ):
            try:
                _wait_until_healthy(f"http://127.0.0.1:{port}{server.healthy}", process)
                wall = time.perf_counter() - began
                yield Started(process.pid, port, wall, _cpu_s(process.pid))
            finally:
                process.terminate()


def _wait_until_healthy(url: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _LONGEST_S
    with httpx.Client() as client:
        while process.poll() is None and time.monotonic() < end:
            try:
                if client.get(url).is_success:
                    return
            except httpx.TransportError:
                pass
            time.sleep(_POLL_S)
    raise RuntimeError(f"{url} does not answer")


def _cpu_s(pid: int) -> float:
    """CPU time of a process, to the nanosecond (Linux)."""
    return time.clock_gettime((~pid << 3) | 2)


def memory(server: Server, *, hours: float, rest_s: float) -> tuple[float, float]:
    """Resident MiB of a server after its start, and after light use and a rest."""
    use = fleet(1000, hours)
    with started(server) as one, httpx.Client(timeout=60) as client:
        settled(one.pid)
        idle = resident_mib(one.pid)
        send(list(remote_write_messages(use, together=1)), one.port, connections=1)
        for refresh in range(REFRESHES):
            end = use.end_ms / 1000 - 15 * (REFRESHES - refresh)
            times = {"start": end - hours * 1800, "end": end, "step": 15}
            for panel in PANELS:
                url = f"http://127.0.0.1:{one.port}{server.api}/query_range"
                answer = client.get(url, params={"query": panel, **times})
                assert answer.raise_for_status().json()["data"]["result"], panel
        time.sleep(rest_s)
        return idle, resident_mib(one.pid)


def installed(extras: Sequence[str] = ()) -> dict[str, float]:
    """Package → MB of its files, without bytecode: of NovaQL with extras, and all that it needs."""
    found: dict[str, float] = {}
    todo = [("novaql", frozenset(extras))]
    seen = set(todo)
    while todo:
        name, wanted = todo.pop()
        for line in importlib.metadata.requires(name) or ():
            needed = Requirement(line)
            if needed.marker and not any(
                needed.marker.evaluate({"extra": one}) for one in wanted or ("",)
            ):
                continue
            row = canonicalize_name(needed.name), frozenset(needed.extras)
            if row not in seen:
                seen.add(row)
                todo.append(row)
        found[name] = _own_mb() if name == "novaql" else _mb(name)
    return found


def _mb(name: str) -> float:
    files = importlib.metadata.files(name) or ()
    paths = (Path(str(file.locate())) for file in files if file.suffix != ".pyc")
    return sum(path.stat().st_size for path in paths if path.is_file()) / 1e6


def _own_mb() -> float:
    """Of this package, wherever it was imported from: the three other folders are below it."""
    place = Path(novaql.__file__).parent
    folders = (place, *(place / one for one in ("grammar", "server", "tsdb")))
    files = {
        path.resolve()
        for folder in folders
        for path in folder.resolve().rglob("*")
        if path.is_file() and path.parent.name != "__pycache__"
    }
    return sum(path.stat().st_size for path in files) / 1e6


def programs() -> list[Server]:
    """The servers whose programs are installed."""
    return [NOVAQL, PROMETHEUS] if shutil.which("prometheus") else [NOVAQL]
