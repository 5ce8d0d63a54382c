"""The real VictoriaMetrics, where it is installed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.programs.prometheus_programs import free_port
from tests.support.servers.http_server import wait_until_ready


def victoria_program(name: str) -> str:
    """The path of a program of VictoriaMetrics; skips the test and says how to get it if none."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed: `apt-get install victoria-metrics`")
    return found


@contextmanager
def running_victoria(folder: Path) -> Iterator[str]:
    """An empty VictoriaMetrics that keeps samples for a hundred years; its URL."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    folder.mkdir()
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [
                victoria_program("victoria-metrics"),
                f"-storageDataPath={folder}/data",
                f"-httpListenAddr=127.0.0.1:{port}",
                "-retentionPeriod=100y",
            ],
            stdout=log,
            stderr=log,
        )
        try:
            wait_until_ready(f"{url}/health", process)
            yield url
        finally:
            process.terminate()
            process.wait()
