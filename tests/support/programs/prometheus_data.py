"""Data directories as a real Prometheus leaves them: by promtool, and by a killed process."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.support.programs.prometheus_programs import free_port, program
from tests.support.servers.http_server import wait_until_ready

LATE_IS_TAKEN = "storage: {tsdb: {out_of_order_time_window: 30d}}\n"


class HeadBroken(Exception):
    """This Prometheus removed a file of late samples that its head still refers to.

    2.53 does so at times, when it writes late samples into blocks while others arrive. All later
    queries of those series fail: a test starts again with a new directory.
    """


@dataclass
class RunningPrometheus:
    """url: its API; data: its directory."""

    process: subprocess.Popen[bytes]
    url: str
    data: Path

    def kill(self) -> None:
        """Send SIGKILL: the head remains in the log."""
        self.process.kill()
        self.process.wait()

    def query(self, text: str, time_s: float) -> Any:
        """`result` of an instant query.

        A query fails during the removal of chunks of late samples that have just become a block
        (2.53: "cannot populate chunk …: invalid ooo mmapped chunk"): it is then sent again. Raises
        `HeadBroken` if the error persists.
        """
        asked = {"query": text, "time": str(time_s)}
        until = time.monotonic() + 10
        while True:
            answer = httpx.get(f"{self.url}/api/v1/query", params=asked, timeout=30).json()
            if answer["status"] == "success":
                return answer["data"]["result"]
            assert "ooo mmapped chunk" in answer["error"], answer
            if time.monotonic() > until:
                raise HeadBroken(answer["error"])
            time.sleep(0.1)

    def post(self, path: str, **parameters: Any) -> httpx.Response:
        answer = httpx.post(f"{self.url}{path}", params=parameters, timeout=30)
        assert answer.is_success, answer.text
        return answer


@contextmanager
def prometheus_with_data(
    data: Path, *flags: str, config: str = LATE_IS_TAKEN
) -> Iterator[RunningPrometheus]:
    """A Prometheus whose data directory is `data`; killed at the end. Skips without one."""
    port = free_port()
    settings = data.with_name(data.name + ".yml")
    settings.write_text(config)
    with data.with_name(data.name + ".log").open("w") as log:
        process = subprocess.Popen(
            [
                program("prometheus"),
                f"--config.file={settings}",
                f"--storage.tsdb.path={data}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--web.enable-remote-write-receiver",
                "--web.enable-admin-api",
                "--storage.tsdb.retention.time=100y",
                "--enable-feature=native-histograms",
                *flags,
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_ready(f"{url}/-/ready", process)
        yield RunningPrometheus(process, url, data)
    finally:
        process.kill()
        process.wait()


def blocks_from(lines: Sequence[str], folder: Path) -> Path:
    """Blocks that promtool creates from OpenMetrics lines, without the end line."""
    folder.mkdir()
    text = folder.with_name(folder.name + ".om")
    text.write_text("".join(f"{line}\n" for line in [*lines, "# EOF"]))
    command = [
        program("promtool"),
        "tsdb",
        "create-blocks-from",
        "openmetrics",
        str(text),
        str(folder),
    ]
    run = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return folder
