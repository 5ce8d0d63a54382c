"""Small bodies that were made to be large in memory: what each costs the server, and what it says.

NOVAQL_HOSTILE_MB=64 pytest tests/server/ingest/test_body_memory.py   with bodies of the full size.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.support.abuse.hostile_arrow import FULL, MB
from tests.support.abuse.hostile_bodies import KINDS

pytestmark = pytest.mark.slow

ALLOWED = 64 * MB


@pytest.fixture(scope="module")
def measured() -> dict[str, dict[str, Any]]:
    """What each kind did in a process of its own."""
    command = [sys.executable, "-m", "tests.support.abuse.measured_bodies"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3000, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return {one["name"]: one for one in found}


@pytest.mark.parametrize("name", KINDS)
def test_a_body_costs_at_most_64_mib_and_four_times_its_size(
    measured: dict[str, dict[str, Any]], name: str
) -> None:
    hostile, found = KINDS[name], measured[name]
    assert "error" not in found, found
    assert found["status"] in hostile.statuses, found
    assert found["grown"] <= ALLOWED + 4 * min(hostile.unpacked, FULL), found
    assert found["good"], found
