"""A server that gets samples and answers small queries does not load what large answers need."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.support.repository.files import ROOT
from tests.support.servers.forked import environment

pytestmark = pytest.mark.slow

PROGRAM = """
import json, sys
from tests.support.servers.http_server import local_server

AT = 1_700_000_000
range_of = {"start": AT - 600, "end": AT, "step": 15}
with local_server() as server:
    answers = [
        server.write([({"__name__": "up", "i": str(i)}, [(AT * 1000, 1.0)]) for i in range(50)]),
        server.prometheus("query", query="sum(up)", time=AT),
        server.prometheus("query_range", query="rate(up[5m])", **range_of),
        server.prometheus("query_range", query="up", **range_of),
        server.prometheus("series", **{"match[]": "up"}),
        server.prometheus("labels"),
        server.prometheus("label/i/values"),
        server.novaql(query="up", **range_of),
        server.client.get("/metrics"),
    ]
print(json.dumps({"answers": [one.status_code for one in answers], "modules": [*sys.modules]}))
"""


def test_small_answers_load_neither_arrow_nor_a_database_for_tables() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["answers"] == [204] + [200] * 8
    assert {"pyarrow", "duckdb", "pandas", "polars"} & set(seen["modules"]) == set()
