"""Parameters of many kilobytes are decoded in a thread, not on the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, parse_qsl

import pytest

from novaql.server.ingest import influx_endpoints
from novaql.server.prometheus import parameters
from tests.support.servers.http_server import LocalServer

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
LONG = "%41" * 10_000


@pytest.fixture
def on_loop(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For each text that is decoded: whether that is on the event loop."""
    seen: list[bool] = []

    def noting(decode: Callable[..., Any]) -> Callable[..., Any]:
        def decoded(*arguments: Any, **options: Any) -> Any:
            try:
                asyncio.get_running_loop()
                seen.append(True)
            except RuntimeError:
                seen.append(False)
            return decode(*arguments, **options)

        return decoded

    monkeypatch.setattr(parameters, "parse_qsl", noting(parse_qsl))
    monkeypatch.setattr(influx_endpoints, "parse_qs", noting(parse_qs))
    return seen


def test_a_large_form(server: LocalServer, on_loop: list[bool]) -> None:
    answer = server.client.post(
        "/api/v1/query", content=f"query=1&x={LONG}", headers=server.bearer() | FORM
    )
    assert answer.json()["data"]["result"][1] == "1"
    assert on_loop == [False, False]


def test_a_long_url(server: LocalServer, on_loop: list[bool]) -> None:
    answer = server.client.get(f"/api/v1/query?query=1&x={LONG}", headers=server.bearer())
    assert answer.json()["data"]["result"][1] == "1"
    assert on_loop == [False]


def test_a_large_form_of_influxdb(server: LocalServer, on_loop: list[bool]) -> None:
    answer = server.client.post(
        "/query", content=f"q=CREATE+DATABASE+x&x={LONG}", headers=server.bearer() | FORM
    )
    assert answer.status_code == 200, answer.text
    assert on_loop == [False]


def test_small_ones_take_no_thread(server: LocalServer, on_loop: list[bool]) -> None:
    answer = server.client.post("/api/v1/query", data={"query": "1"}, headers=server.bearer())
    assert answer.status_code == 200, answer.text
    assert on_loop == [True, True]
