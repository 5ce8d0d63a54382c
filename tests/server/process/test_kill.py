"""What was acknowledged is there after kill -9, and after a polite stop."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import httpx
import pytest

from tests.support.messages.remote_write_messages import message_of, packed
from tests.support.servers.http_server import WRITE_HEADERS, ServerProcess, server_process

pytestmark = pytest.mark.slow

SYNC_INTERVAL_S = 1.0


def message(number: int) -> bytes:
    """Ten series; message `number` has the sample at that second."""
    at = 1_700_000_000_000 + number * 1000
    series = [({"__name__": "m", "i": str(i)}, [(at, float(number))]) for i in range(10)]
    return packed(message_of(series))


class Writer:
    """Sends messages until the server is gone; `acknowledged` says when each was taken."""

    def __init__(self, server: ServerProcess) -> None:
        self.acknowledged: dict[int, float] = {}
        self._server = server
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        headers = WRITE_HEADERS | {"Authorization": f"Bearer {self._server.token}"}
        with httpx.Client() as client:
            for number in range(100_000):
                try:
                    answer = client.post(
                        f"{self._server.url}/api/v1/write", content=message(number), headers=headers
                    )
                except httpx.TransportError:
                    return
                if answer.status_code != 204:
                    return
                self.acknowledged[number] = time.monotonic()

    def join(self) -> None:
        self._thread.join(timeout=30)


def stored_numbers(server: ServerProcess, token: str | None, last: int) -> dict[str, list[float]]:
    """The samples of each series."""
    answer = httpx.post(
        f"{server.url}/v1/novaql",
        json={"query": "m[1d]", "time": 1_700_000_000 + last},
        headers={"Authorization": f"Bearer {token}"},
        timeout=30,
    )
    return {s["metric"]["i"]: [v for _, v in s["values"]] for s in answer.json()["result"]}


@pytest.mark.parametrize("stop", ["kill", "term"])
def test_acknowledged_samples_survive(tmp_path: Path, stop: str) -> None:
    with server_process(tmp_path / "data") as server:
        token = server.token
        writer = Writer(server)
        time.sleep(2.5)
        if stop == "kill":
            ended = time.monotonic()
            server.kill()
        else:
            assert server.stop() == 0
            ended = float("inf")  # a polite stop keeps everything
        writer.join()

    safe = [n for n, at in writer.acknowledged.items() if at < ended - SYNC_INTERVAL_S]
    assert len(safe) > 10
    with server_process(tmp_path / "data") as again:
        stored = stored_numbers(again, token, max(writer.acknowledged) + 1)

    assert len(stored) == 10
    for numbers in stored.values():
        assert numbers == sorted(set(numbers))
        assert set(safe) <= set(numbers)


def test_a_second_server_on_the_same_store_is_refused(tmp_path: Path) -> None:
    with (
        server_process(tmp_path / "data"),
        pytest.raises(AssertionError, match=r"data\.log"),
        server_process(tmp_path / "data"),
    ):
        pass

    assert "is being written by" in (tmp_path / "data.log").read_text()
