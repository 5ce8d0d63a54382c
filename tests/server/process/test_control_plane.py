"""Requests while the control plane is being built, and after that has failed."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from novaql import tsdb
from novaql.server import control_parts
from novaql.server.app import create_app
from novaql.server.control_plane import ControlPlane
from novaql.server.data_routes import DATA_ROUTES
from novaql.server.http.index import RouteIndex
from novaql.server.process.run import serve
from novaql.server.routes import ROUTES
from novaql.server.settings import Settings

BASE = "http://127.0.0.1"
DATA = (
    "/healthz",
    "/readyz",
    "/metrics",
    "/-/ready",
    "/prometheus/api/v1/query?query=1",
    "/api/v1/labels",
)
CONTROL = ("/v1/services", "/", "/docs")


def settings(folder: Path, **more: Any) -> Settings:
    return Settings(data=folder, auth=False, sync="os", job_threads=0, **more)


def test_paths_of_samples_answer_before_it_is_built_and_all_others_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, build = threading.Event(), control_parts.build

    def build_late(*arguments: Any, **options: Any) -> control_parts.ControlParts:
        assert gate.wait(60)
        return build(*arguments, **options)

    monkeypatch.setattr(control_parts, "build", build_late)
    app = create_app(settings(tmp_path), store=tsdb.memory())
    with TestClient(app, base_url=BASE) as client, ThreadPoolExecutor(len(CONTROL)) as threads:
        waiting = [threads.submit(client.get, path) for path in CONTROL]
        try:
            assert {path: client.get(path).status_code for path in DATA} == dict.fromkeys(DATA, 200)
            assert client.post("/v1/novaql", json={"query": "1"}).status_code == 200
            assert not any(one.done() for one in waiting)
        finally:
            gate.set()

        assert [one.result(60).status_code for one in waiting] == [200] * len(CONTROL)
        assert client.get("/nowhere").status_code == 404


def test_a_cancelled_request_does_not_end_the_build() -> None:
    gate = threading.Event()

    def build() -> Any:
        return "parts" if gate.wait(60) else None

    async def cancel_and_wait() -> Any:
        control = ControlPlane(build)
        request = asyncio.create_task(control.built())
        await asyncio.sleep(0)
        request.cancel()
        with suppress(asyncio.CancelledError):
            await request
        gate.set()
        return await control.built()

    assert asyncio.run(cancel_and_wait()) == "parts"


@pytest.mark.slow
def test_a_server_ends_if_it_cannot_be_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("no control plane")

    monkeypatch.setattr(control_parts, "build", fail)

    with pytest.raises(RuntimeError, match="no control plane"):
        serve(settings(tmp_path / "data", port=0), started=lambda *_: None)


def test_a_route_is_the_same_before_and_after() -> None:
    first, every = RouteIndex(DATA_ROUTES), RouteIndex(ROUTES)

    assert {id(route) for route in DATA_ROUTES} < {id(route) for route in ROUTES}
    for route in ROUTES:
        found = first.find(route.path)
        assert found is None or found == every.find(route.path), route.path
