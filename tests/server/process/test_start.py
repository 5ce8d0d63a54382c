"""What a server does not do before it answers: its start is short."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.repository.files import ROOT
from tests.support.servers.forked import environment

pytestmark = pytest.mark.slow

HEAVY = {
    *("duckdb", "matplotlib", "pandas", "polars", "pyarrow", "numba", "llvmlite", "lark"),
    *("IPython", "mcp", "prompt_toolkit", "scipy", "multiprocessing.pool"),
}
CONTROL = {
    *("fastapi", "email_validator", "scim2_server", "httpx", "httpcore", "dns", "yaml", "rich"),
    *("alembic", "mako", "pygments", "google.protobuf", "opentelemetry", "novaql.rules.reading"),
    *("novaql.server.routes", "novaql.server.wiring", "novaql.server.scraping"),
    *("novaql.server.executors.config", "sqlalchemy.dialects.postgresql"),
}
"""What only the control plane needs, migrations, or a request of a rare kind."""

MOST_MODULES = 1_350
"""1 306 are loaded, and 2 200 with the control plane. Each takes about 0.5 ms of CPU."""

PROGRAM = """
import gc, json, sys, threading
collected, before = [], {}
gc.callbacks.append(lambda phase, about: phase == "stop" and collected.append(about["generation"]))
from novaql.cli import run, serve  # as `novaql serve` loads it
from novaql.server.control_plane import ControlPlane
from novaql.server.process.graceful import GracefulServer

begin, startup = ControlPlane.begin, GracefulServer.startup

def noted(self):
    if not before:
        before["modules"] = sorted(sys.modules)
        before["threads"] = sorted(one.name for one in threading.enumerate())
    return begin(self)

async def start_and_stop(self, sockets=None):
    await startup(self, sockets)
    self.should_exit = True

ControlPlane.begin, GracefulServer.startup = noted, start_and_stop
run(["serve", "--data", sys.argv[1], "--listen", "127.0.0.1:0", "--no-auth"])
print(json.dumps({"collected": collected, "after": sorted(sys.modules), **before}), flush=True)
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a server has loaded when its control plane begins to load, and when it has stopped. Its
    database is up to date, as at every start but the first."""
    data = tmp_path_factory.mktemp("server") / "data"
    start(data)
    return start(data)


def start(data: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, data],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_a_server_listens_before_it_loads_the_control_plane(seen: dict[str, Any]) -> None:
    modules = set(seen["modules"])

    assert modules & (HEAVY | CONTROL) == set()
    assert {"numpy", "sqlalchemy", "novaql.server.data_routes"} <= modules
    assert len(modules) <= MOST_MODULES
    assert set(seen["after"]) >= {"fastapi", "novaql.server.routes", "novaql.server.wiring"}


def test_a_start_collects_and_compiles_nothing_that_no_request_needs(seen: dict[str, Any]) -> None:
    assert HEAVY & set(seen["modules"]) == set()
    assert seen["collected"].count(2) == 0  # of all objects; two of five would take 0.3 s
    assert not [name for name in seen["threads"] if name.startswith(("novaql-compile", "settle"))]
