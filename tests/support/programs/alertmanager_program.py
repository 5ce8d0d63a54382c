"""The real Alertmanager, where it is installed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.programs.prometheus_programs import free_port
from tests.support.servers.http_server import wait_until_ready

_CONFIG = """
route: {receiver: team, group_wait: 1h}
receivers: [{name: team}]
"""
HOW_TO_GET = (
    "alertmanager is not installed: `apt-get install prometheus-alertmanager`, or put the release "
    "binary in PATH"
)


class Alertmanager:
    """A running one."""

    def __init__(self, url: str) -> None:
        self.url = url

    def fire(self, alerts: Sequence[dict[str, Any]]) -> None:
        """Send alerts as Prometheus does."""
        httpx.post(f"{self.url}/api/v2/alerts", json=list(alerts), timeout=30).raise_for_status()


@contextmanager
def running_alertmanager(folder: Path) -> Iterator[Alertmanager]:
    """An Alertmanager that sends no notification. Skips the test if it is not installed."""
    names = ("prometheus-alertmanager", "alertmanager")
    program = next((found for name in names if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip(HOW_TO_GET)
    folder.mkdir()
    (folder / "alertmanager.yml").write_text(_CONFIG)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={folder}/alertmanager.yml",
                f"--storage.path={folder}/data",
                f"--web.listen-address=127.0.0.1:{port}",
                "--cluster.listen-address=",
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until_ready(f"{url}/-/ready", process)
        yield Alertmanager(url)
    finally:
        process.kill()
        process.wait()
