"""The real promtool and prometheus, where they are installed."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.servers.http_server import wait_until_ready

HOW_TO_GET = "is not installed: `apt-get install prometheus`, or put the release binary in PATH"


def program(name: str) -> str:
    """The path of a program; skips the test and says how to get it if there is none."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} {HOW_TO_GET}")
    return found


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@contextmanager
def running_prometheus(folder: Path, config: str) -> Iterator[str]:
    """A Prometheus with this configuration that takes remote write; its URL."""
    port = free_port()
    folder.mkdir()
    (folder / "prometheus.yml").write_text(config.replace("{own_port}", str(port)))
    url = f"http://127.0.0.1:{port}"
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [
                program("prometheus"),
                f"--config.file={folder}/prometheus.yml",
                f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address=127.0.0.1:{port}",
                "--web.enable-remote-write-receiver",
                "--storage.tsdb.retention.time=100y",
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until_ready(f"{url}/-/ready", process)
        yield url
    finally:
        process.kill()
        process.wait()
