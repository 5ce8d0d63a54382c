"""Schemathesis over the document, with an administrator's token and every check that it has.

A server in a process of its own, asked by the command line as a user would ask. More requests an
operation, and others: `SCHEMATHESIS_EXAMPLES=100 SCHEMATHESIS_SEED=2 pytest` with this file.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.support.repository.files import ROOT
from tests.support.servers.http_server import server_process

EXAMPLES = os.environ.get("SCHEMATHESIS_EXAMPLES", "5")
SEED = os.environ.get("SCHEMATHESIS_SEED", "1")
UNLIMITED = {
    "rate_per_minute": "0",
    "rate_per_day": "0",
    "prometheus_per_minute": "0",
    "auth_failures_per_minute": "0",
    "query_timeout_s": "5",
}


@pytest.mark.slow
@pytest.mark.parametrize("phases", ["examples,coverage", "fuzzing", "stateful"])
def test_every_check_passes(tmp_path: Path, phases: str) -> None:
    with server_process(tmp_path / "data", settings=UNLIMITED) as server:
        bearer = {"Authorization": f"Bearer {server.token}"}
        (token,) = httpx.get(f"{server.url}/v1/tokens", headers=bearer).json()["data"]
        httpx.get(f"{server.url}/v1/openapi.json", timeout=120)  # the first answer is built
        environ = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "SCHEMATHESIS_HOOKS": "tests.support.contract.schemathesis_hooks",
            "NOVAQL_TEST_KEPT": f"{token['id']} {token['owner']['id']}",
        }
        done = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli"),
                *("--config-file", str(Path(__file__).with_name("schemathesis.toml"))),
                *("run", f"{server.url}/v1/openapi.json", "--checks", "all"),
                *("-H", f"Authorization: Bearer {server.token}"),
                *("--phases", phases),
                *("--max-examples", EXAMPLES, "--seed", SEED, "--continue-on-failure"),
                *("--request-timeout", "30", "--no-color"),
            ],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            timeout=3600,
        )
        assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
