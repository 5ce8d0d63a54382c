"""The real VictoriaMetrics, where it is installed."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlencode

import httpx
import orjson
import pytest

from tests.support.programs.prometheus_programs import free_port
from tests.support.programs.query_answers import Answer, answer_of_prometheus
from tests.support.servers.http_server import wait_until_ready
from tests.support.servers.quick_client import QuickClient


def victoria_program(name: str) -> str:
    """The path of a program of VictoriaMetrics. Skips the test if it is missing; the message
    describes how to install it."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed: `apt-get install victoria-metrics`")
    return found


@contextmanager
def running_victoria(folder: Path) -> Iterator[str]:
    """An empty VictoriaMetrics with a retention of a hundred years; its URL."""
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
            _client_of(url).close()
            process.terminate()
            process.wait()


def send_series(
    url: str, series: Iterable[tuple[Mapping[str, str], Sequence[int], Sequence[float]]]
) -> None:
    """Store series (labels, milliseconds, values without NaN), so that queries see them."""
    lines = "\n".join(
        json.dumps({"metric": labels, "timestamps": list(times_ms), "values": list(values)})
        for labels, times_ms, values in series
    )
    httpx.post(f"{url}/api/v1/import", content=lines, timeout=60).raise_for_status()
    show_samples(url)


def show_samples(url: str) -> None:
    """Make all stored samples visible to queries at once, instead of a second or two later."""
    httpx.get(f"{url}/internal/force_flush", timeout=60).raise_for_status()


def ask_victoria(url: str, query: str, times: Mapping[str, object]) -> Answer | None:
    """The answer to an instant query (`time`), or to one of a range (`start`, `end`, `step`).

    None if the query is rejected.
    """
    path = "query" if "time" in times else "query_range"
    parameters = {"query": query, "nocache": "1"} | {k: str(v) for k, v in times.items()}
    got = _client_of(url).request("GET", f"/api/v1/{path}?{urlencode(parameters)}")
    if got.status_code == HTTPStatus.UNPROCESSABLE_ENTITY:
        return None
    assert got.status_code == HTTPStatus.OK, got.text
    return answer_of_prometheus(orjson.loads(got.content)["data"])


@functools.lru_cache(maxsize=1)
def _client_of(url: str) -> QuickClient:
    """One connection for thousands of queries: a connection for each would take as long as its
    answer."""
    return QuickClient(base_url=url, timeout=30)
