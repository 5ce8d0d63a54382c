"""What a server does not do before it answers: its start is short."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.repository.files import ROOT
from tests.support.servers.forked import environment

pytestmark = pytest.mark.slow

HEAVY = {
    *("duckdb", "matplotlib", "pandas", "polars", "pyarrow", "numba", "llvmlite", "lark"),
    *("IPython", "mcp", "prompt_toolkit", "scipy", "multiprocessing.pool"),
}
PROGRAM = """
import gc, json, sys
collected = []
gc.callbacks.append(lambda phase, about: phase == "stop" and collected.append(about["generation"]))
from novaql.cli import run, serve  # as `novaql serve` loads it
from novaql.server.process.run import GracefulServer

startup = GracefulServer.startup

async def start_and_stop(self, sockets=None):
    tell, self.on_started = self.on_started, None
    await startup(self, sockets)
    print(json.dumps({
        "collected": collected,
        "tells": tell.__name__,
        "modules": sorted(sys.modules),
        "threads": sorted(one.name for one in __import__("threading").enumerate()),
    }), flush=True)
    self.should_exit = True

GracefulServer.startup = start_and_stop
run(["serve", "--data", sys.argv[1], "--listen", "127.0.0.1:0", "--no-auth"])
"""


def test_a_start_imports_collects_and_compiles_nothing_that_no_request_needs(
    tmp_path: Path,
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, tmp_path / "data"],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    seen = json.loads(done.stdout.splitlines()[-1])

    assert HEAVY & set(seen["modules"]) == set()
    assert {"alembic", "fastapi", "numpy", "sqlalchemy"} <= set(seen["modules"])
    assert seen["collected"].count(2) == 0  # of all objects; two of five would take 0.3 s
    assert not [name for name in seen["threads"] if name.startswith(("novaql-compile", "settle"))]
    assert seen["tells"] == "_after_start"
