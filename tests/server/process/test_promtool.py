"""Debian's promtool against a running server."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.messages.remote_write_messages import message_of, packed
from tests.support.programs.prometheus_programs import program
from tests.support.servers import patiently
from tests.support.servers.http_server import WRITE_HEADERS, ServerProcess, server_process

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Without authentication, with five minutes of `up` that end now."""
    folder = tmp_path_factory.mktemp("promtool")
    with server_process(folder / "data", "--no-auth") as running:
        now_ms = int(time.time() * 1000)
        times = [now_ms - 15_000 * i for i in range(20, -1, -1)]
        body = packed(message_of([({"__name__": "up", "job": "api"}, [(t, 1.0) for t in times])]))
        url = f"{running.url}/prometheus/api/v1/write"
        assert patiently.post(url, content=body, headers=WRITE_HEADERS).status_code == 204
        yield running


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [program("promtool"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def test_instant(server: ServerProcess) -> None:
    done = promtool("query", "instant", f"{server.url}/prometheus", "up")

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith('up{job="api"} => 1 @[')


def test_range(server: ServerProcess) -> None:
    done = promtool("query", "range", "--step=15s", f"{server.url}/prometheus", "up")

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith('up{job="api"} =>\n1 @[')
    assert len(done.stdout.splitlines()) > 10


def test_series_and_labels(server: ServerProcess) -> None:
    series = promtool("query", "series", "--match=up", f"{server.url}/prometheus")
    labels = promtool("query", "labels", f"{server.url}/prometheus", "job")

    assert series.stdout == '{__name__="up", job="api"}\n', series.stderr
    assert labels.stdout == "api\n", labels.stderr


def test_health(server: ServerProcess) -> None:
    for check in ("healthy", "ready"):
        done = promtool("check", check, f"--url={server.url}/prometheus")
        assert done.returncode == 0, done.stderr


def test_a_wrong_query_is_told_as_promtool_tells_it(server: ServerProcess) -> None:
    done = promtool("query", "instant", f"{server.url}/prometheus", "rat(up)")

    assert done.returncode == 1
    assert 'bad_data: invalid parameter "query": 1:1: parse error' in done.stderr


def test_with_a_token_as_password(tmp_path: Path) -> None:
    with server_process(tmp_path / "data") as running:
        config = tmp_path / "http.yml"
        config.write_text(f"basic_auth: {{username: me, password: {running.token}}}\n")
        url = f"{running.url}/prometheus"
        good = promtool("query", "instant", f"--http.config.file={config}", url, "vector(1)")
        bad = promtool("query", "instant", url, "vector(1)")

    assert good.stdout.startswith("{} => 1 @["), good.stderr
    assert bad.returncode == 1
    assert "unauthorized" in bad.stderr.lower()
