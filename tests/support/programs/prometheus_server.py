"""Debian's Prometheus as an oracle: started empty on a free port, filled by remote write."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import subprocess
import time
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.messages.remote_write_messages import Series, message_of, packed

_START_TIMEOUT_S = 30.0


class QueryRefused(Exception):
    """Prometheus answered with an error; the text is its message."""


class PrometheusServer:
    """HTTP API of a running Prometheus. One connection, so for one thread."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def write(self, series: Sequence[Series]) -> None:
        """Store samples; each series in order of time, times in milliseconds."""
        self.send(message_of(series))

    def instant(self, query: str, time_ms: int) -> Any:
        """`data` of an instant query. Raises `QueryRefused`."""
        return self._query("/api/v1/query", {"query": query, "time": _seconds(time_ms)})

    def range(self, query: str, start_ms: int, end_ms: int, step_ms: int) -> Any:
        """`data` of a range query. Raises `QueryRefused`."""
        parameters = {
            "query": query,
            "start": _seconds(start_ms),
            "end": _seconds(end_ms),
            "step": _seconds(step_ms),
        }
        return self._query("/api/v1/query_range", parameters)

    def post(self, path: str, **parameters: str | Sequence[str]) -> tuple[int, bytes]:
        """Status and body of a form sent to `/api/v1/PATH`."""
        form = urllib.parse.urlencode(parameters, doseq=True).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._request("POST", f"/api/v1/{path}", form, headers)

    def send(self, message: Any) -> None:
        """Store a remote write message."""
        headers = {
            "Content-Encoding": "snappy",
            "Content-Type": "application/x-protobuf",
            "X-Prometheus-Remote-Write-Version": "0.1.0",
        }
        status, text = self._request("POST", "/api/v1/write", packed(message), headers)
        if status // 100 != 2:
            raise RuntimeError(f"remote write failed: HTTP {status}: {text[:300]!r}")

    def ready(self) -> bool:
        try:
            return self._request("GET", "/-/ready")[0] == 200
        except OSError:
            self._connection.close()
            return False

    def close(self) -> None:
        self._connection.close()

    def _query(self, path: str, parameters: Mapping[str, str]) -> Any:
        form = urllib.parse.urlencode(parameters).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        _, body = self._request("POST", path, form, headers)
        answer = json.loads(body)
        if answer["status"] != "success":
            raise QueryRefused(answer["error"])
        return answer["data"]

    def _request(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        self._connection.request(method, path, body, dict(headers or {}))
        response = self._connection.getresponse()
        return response.status, response.read()


def _seconds(time_ms: int) -> str:
    sign, size = ("-" if time_ms < 0 else ""), abs(time_ms)
    return f"{sign}{size // 1000}.{size % 1000:03d}"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def running_prometheus(folder: Path) -> Iterator[PrometheusServer]:
    """A Prometheus with experimental functions on, its data below `folder`; stopped at the end.

    Skips the test where no Prometheus is installed.
    """
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("no prometheus here: apt-get install prometheus")
    (folder / "prometheus.yml").write_text("global: {evaluation_interval: 1m}\n")
    port = free_port()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--web.enable-remote-write-receiver",
                "--enable-feature=promql-experimental-functions,exemplar-storage",
                "--web.enable-admin-api",
                "--storage.tsdb.retention.time=100y",
                "--query.lookback-delta=5m",
            ],
            stdout=log,
            stderr=log,
        )
    server = PrometheusServer(port)
    try:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not server.ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"prometheus did not start:\n{(folder / 'log').read_text()}")
            time.sleep(0.05)
        yield server
    finally:
        server.close()
        process.terminate()
        process.wait(timeout=30)
