"""The real promtool and prometheus, where they are installed."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.servers.http_server import wait_until_ready

HOW_TO_GET = "is not installed: `apt-get install prometheus`, or put the release binary in PATH"


def program(name: str) -> str:
    """The path of a program. Skips the test if it is missing; the message describes how to install
    it."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} {HOW_TO_GET}")
    return found


_CHECKED = re.compile(r"^(?:Checking|Unit Testing: ) (\S+)\n", re.MULTILINE)
_FAILED = re.compile(r"^  FAILED:(?!\s*lint error)", re.MULTILINE)
"""The findings of lint do not change promtool's exit code."""


def promtool_findings(command: Sequence[str], files: Sequence[Path]) -> dict[Path, tuple[int, str]]:
    """The exit code of promtool for each file alone, and its messages about it.

    One run checks them all: each start of promtool takes longer than a hundred files.
    """
    done = subprocess.run(
        [program("promtool"), *command, *files],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    _, *said = _CHECKED.split(done.stdout)
    wanted = {str(file): file for file in files}
    of: Path | None = None
    texts = dict.fromkeys(files, "")
    for name, text in zip(said[::2], said[1::2], strict=True):
        of = wanted.get(name, of)  # a file that another one names is checked after it
        assert of is not None, done.stdout
        texts[of] += text
    assert all(texts.values()), done.stdout
    found = {file: (int(bool(_FAILED.search(text))), text) for file, text in texts.items()}
    assert max(code for code, _ in found.values()) == done.returncode, done.stdout
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
