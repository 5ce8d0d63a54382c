"""`novaql serve --daemon` and `--stop`: a server that answers when the command has ended."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support.servers import forked

pytestmark = pytest.mark.slow

START = ("serve", "--daemon", "--listen", "127.0.0.1:0")


def novaql(*arguments: str, data: Path) -> subprocess.CompletedProcess[str]:
    return forked.novaql(*arguments, "--data", str(data), check=False)


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "store"
    novaql("serve", "--stop", data=tmp_path / "store")


def pid_of(printed: str) -> int:
    return int(printed.splitlines()[-1].split("process ")[1].split(",")[0])


def kill(pid: int) -> None:
    """End a process, and wait until the kernel has closed its files and so freed its lock."""
    watched = os.pidfd_open(pid)
    try:
        os.kill(pid, signal.SIGKILL)
        select.select([watched], [], [])
    finally:
        os.close(watched)


def test_it_answers_when_the_command_has_ended_and_stops(data: Path) -> None:
    started = novaql(*START, data=data)
    assert started.returncode == 0, started.stderr
    address, _, token, last = started.stdout.splitlines()
    url = address.removeprefix("NovaQL listens on ")
    assert last == f"It is process {pid_of(last)}, and its log is {data}/server/serve.log"

    headers = {"Authorization": f"Bearer {token.strip()}"}
    answer = httpx.post(f"{url}/v1/novaql", json={"query": "1 + 1", "time": 0}, headers=headers)
    assert answer.json()["result"] == [0, 2]

    again = novaql(*START, data=data)
    assert (again.returncode, again.stdout) == (2, "")
    assert f"runs as process {pid_of(last)}" in again.stderr
    assert "startup complete" in (data / "server" / "serve.log").read_text()

    stopped = novaql("serve", "--stop", data=data)
    assert (stopped.returncode, stopped.stdout) == (0, f"stopped process {pid_of(last)}\n")
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/healthz")
    nothing = novaql("serve", "--stop", data=data)
    assert nothing.returncode == 1
    assert "no server of" in nothing.stderr


def test_with_workers_it_answers_when_the_command_has_ended_and_leaves_no_process(
    data: Path,
) -> None:
    started = novaql(*START, "--workers", "2", "--no-auth", data=data)
    assert started.returncode == 0, started.stderr
    url = started.stdout.splitlines()[0].removeprefix("NovaQL listens on ")
    children = psutil.Process(pid_of(started.stdout)).children(recursive=True)
    assert children
    held = [open_file.path for child in children for open_file in child.open_files()]
    assert [path for path in held if path.endswith("serve.pid")] == []  # its lock
    answer = httpx.post(f"{url}/v1/novaql", json={"query": "1 + 1", "time": 0}, timeout=60)
    assert answer.json()["result"] == [0, 2]

    assert novaql("serve", "--stop", data=data).returncode == 0
    assert not any(child.is_running() for child in children)


def test_a_failed_start_has_an_exit_code_and_the_end_of_the_log(data: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        started = novaql("serve", "--daemon", "--listen", f"127.0.0.1:{port}", data=data)
    assert (started.returncode, started.stdout) == (2, "")
    assert f"error: listen: 127.0.0.1:{port} cannot be used" in started.stderr

    (data / "server" / "state.db").write_bytes(b"this is no database" * 100)
    damaged = novaql(*START, data=data)
    assert damaged.returncode == 2
    assert "state.db" in damaged.stderr
    assert "Traceback" not in damaged.stderr


def test_it_starts_again_after_it_was_killed(data: Path) -> None:
    first = novaql("serve", "--wait", *START[2:], "--no-auth", data=data)
    kill(pid_of(first.stdout))
    second = novaql(*START, "--no-auth", data=data)
    assert second.returncode == 0, second.stderr
    assert pid_of(second.stdout) != pid_of(first.stdout)
    former = (data / "server" / "serve.log.1").read_text()
    assert f"[{pid_of(first.stdout)}]" in former
