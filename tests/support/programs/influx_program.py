"""The real InfluxDB 1, where it is installed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.programs.prometheus_programs import free_port
from tests.support.servers.http_server import wait_until_ready

_CONFIG = """
reporting-disabled = true
bind-address = "127.0.0.1:0"
[meta]
dir = "{folder}/meta"
[data]
dir = "{folder}/data"
wal-dir = "{folder}/wal"
[monitor]
store-enabled = false
[http]
bind-address = "127.0.0.1:{port}"
log-enabled = false
auth-enabled = {auth}
"""
_HOW_TO_GET = "influxd is not installed: `apt-get install influxdb`, or put the binary in PATH"


@contextmanager
def running_influx(folder: Path, *, auth: bool = False) -> Iterator[str]:
    """An empty InfluxDB, which requires a user and a password if `auth` is true; its URL. Skips the
    test if the program is missing; the message describes how to install it."""
    program = shutil.which("influxd")
    if program is None:
        pytest.skip(_HOW_TO_GET)
    port = free_port()
    folder.mkdir()
    config = _CONFIG.format(folder=folder, port=port, auth=str(auth).lower())
    (folder / "influxdb.conf").write_text(config)
    url = f"http://127.0.0.1:{port}"
    with (folder / "log").open("w") as log:
        command = [program, "-config", str(folder / "influxdb.conf")]
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            wait_until_ready(f"{url}/metrics", process)
            yield url
        finally:
            process.terminate()
            process.wait()


def run_statement(url: str, statement: str) -> None:
    """Run a statement of InfluxQL, such as CREATE DATABASE."""
    answer = httpx.post(f"{url}/query", data={"q": statement}, timeout=60).raise_for_status()
    assert "error" not in answer.text, answer.text


def send_lines(url: str, database: str, lines: str, **parameters: str) -> None:
    """Store line protocol; times are in nanoseconds."""
    given = {"db": database, **parameters}
    answer = httpx.post(f"{url}/write", params=given, content=lines.encode(), timeout=60)
    assert answer.status_code == httpx.codes.NO_CONTENT, answer.text
