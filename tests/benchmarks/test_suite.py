"""The benchmark suite: its pages, its client, a run with a peer benchmark of two queries."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.suite import acceptance, figures, report
from benchmarks.suite.http_client import Connection, get_request
from tests.support.repository.files import ROOT

QUERIES = """
from types import SimpleNamespace
def query(name, expr, kind):
    end, start, step = 600, 120, 60
    ranged = [("query", expr), ("start", start), ("end", end), ("step", step)]
    return SimpleNamespace(
        name=name, group="raw", expr=expr, kind=kind, rate=False, start=start, step=step,
        http=lambda: ("/api/v1/query_range", ranged),
        call=lambda: ("range", (expr, start, end, step)))
QUERIES = [query("plain", "hits", "range"), query("nothing", "misses", "range")]
"""
SYSTEMS = """
import json
CHILDREN = {}
class HttpSystem:
    parse = staticmethod(lambda body: json.loads(body)["data"])
"""
COMPARE = """
def normalise(data):
    if isinstance(data, tuple):
        rows = zip(data[0], data[2].tolist())
        return {json_of(labels): [v for v in row if v == v] for labels, row in rows}
    return {json_of(row["metric"]): [float(v) for _, v in row["values"]] for row in data["result"]}
def json_of(labels):
    return str(sorted(labels.items()))
def size(a):
    return len(a), sum(map(len, a.values()))
def compare(a, b):
    return {"verdict": "equal" if a == b else f"differs: {a} {b}"}
"""
COMMON = """
T_END = 600
def cpu_seconds(pid):
    return 0.0
def memory_mb(pid):
    return {"peak": 1.0}
"""


@pytest.fixture
def peerbench(tmp_path: Path) -> Path:
    folder = tmp_path / "peerbench"
    folder.mkdir()
    modules = {"queries": QUERIES, "systems": SYSTEMS, "compare": COMPARE, "common": COMMON}
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(text)
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data" / "dataset"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text('{"scale": 0.5}')
    maps = pa.array([[("__name__", "hits"), ("job", "a")]], pa.map_(pa.string(), pa.string()))
    series = pa.table({"series_id": pa.array([0], pa.uint32()), "labels": maps})
    pq.write_table(series, folder / "web.series.parquet")
    times = np.arange(1, 41) * 15_000
    samples: dict[str, Any] = {
        "series_id": pa.array(np.zeros(40, np.uint32)),
        "timestamp_ms": times,
        "value": times / 7000,
    }
    pq.write_table(pa.table(samples), folder / "web.samples.parquet")
    return folder.parent


@pytest.mark.slow
def test_a_run_without_peers(peerbench: Path, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [
        sys.executable, "-m", "benchmarks.suite", "--peerbench", str(peerbench),
        "--data", str(data), "--no-peers", "--quick", "--parts", "queries", "--out", str(out),
    ]  # fmt: skip
    run = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env=dict(os.environ), check=False
    )

    assert run.returncode == 0, run.stderr
    found = json.loads((out / "results.json").read_text())
    assert found["failed"] == {}
    assert found["scale"] == 0.5
    for row in found["queries"]:
        assert set(row["systems"]) == {
            "novaql", "novaql numpy", "novaql cold", "novaql json", "novaql arrow",
        }  # fmt: skip
        for name, system in row["systems"].items():
            assert system["median_ms"] > 0
            assert name == "novaql" or system["compare"] == {"verdict": "equal"}
    assert found["queries"][0]["points"] == 9
    page = (out / "README.md").read_text()
    facts = found["facts"]
    assert f"Parts queries: {facts['at']}, commit {facts['commit']}, few repetitions." in page
    assert "| plain | 1 × 9 |" in page
    assert "2 equal to 1e-9" in page
    assert (out / "queries.svg").read_text().startswith("<?xml")


def test_ratios_and_their_mean() -> None:
    def row(name: str, ours: float, peer: float) -> figures.Results:
        systems = {"novaql": {"median_ms": ours}, "victoriametrics": {"median_ms": peer}}
        return {"query": name, "group": "raw", "systems": systems}

    results = {"queries": [row("a", 1, 8), row("b", 2, 4), {**row("c", 1, 9), "group": "metadata"}]}

    found = figures.ratios(results, "novaql", "victoriametrics", "median_ms", metadata=False)

    assert found == {"a": 8, "b": 2}
    assert figures.geometric_mean(found.values()) == pytest.approx(4)


def test_what_was_measured_stands_beside_what_is_to_be_reached() -> None:
    def answers(**ms: float) -> dict[str, dict[str, float]]:
        return {name.replace("_", " "): {"median_ms": took} for name, took in ms.items()}

    systems = answers(prometheus=60, victoriametrics=9, novaql=2, novaql_json=3)
    answered = {"victoriametrics": 20.0, "novaql json": 50.0}
    panels = (("in process", 0.5), ("over HTTP", 3.0), ("over HTTP", 4.5))
    results: figures.Results = {
        "queries": [{"query": "a", "group": "raw", "systems": systems}],
        "large_query": {"series": 10, "hours": 24, "adds_mib": 99.0},
        "panel": [{"where": where, "median_ms": ms} for where, ms in panels],
        "clients": [
            *({"system": s, "clients": 16, "per_second": n} for s, n in answered.items()),
            {"system": "novaql json", "clients": 1, "per_second": 1.0},
            {"system": "novaql json", "idle_p99_ms": 2.0, "busy_p99_ms": 8.0},
        ],
    }

    section = acceptance.section(results)
    goals = {goal.what: goal for goal in acceptance.goals(results)}

    assert "| in process, faster than Prometheus | ≥ 40 × | 30.0 × | **no** |" in section
    assert "| in process, the slowest query beside Prometheus | ≥ 3 × | 30.0 × | yes |" in section
    assert "| a refreshed panel over HTTP | ≤ 4 ms | 4.50 ms | **no** |" in section
    assert "| a sum over 10 series × 24 h adds | ≤ 128 MiB | 99.0 MiB | yes |" in section
    assert goals["16 clients, queries a second, of VictoriaMetrics'"].figure == 2.5
    assert goals["p99 of a small query beside large ones, of its p99 alone"].figure == 4
    assert "without numba" not in section  # nothing of it was measured
    assert len(goals) > section.count("yes") + section.count("**no**") == 11


def test_every_function_is_compared_and_small_queries_are_not_the_slowest() -> None:
    def row(name: str, **ms: float) -> figures.Results:
        systems = {system.replace("_", " "): {"median_ms": took} for system, took in ms.items()}
        return {"query": name, "group": "breadth", "systems": systems}

    rows = [
        row("abs", novaql=1.0, novaql_json=2.0, victoriametrics=16.0),
        row("time", novaql=0.1, novaql_json=0.4, victoriametrics=0.1),
        row("rollup", novaql=4.0, novaql_json=4.0),
    ]
    rows[2]["systems"]["prometheus"] = {"error": "it has no such function"}
    results: figures.Results = {"breadth": rows}

    goals = {goal.what: goal.figure for goal in acceptance.goals(results)}
    facts = {
        "at": "now", "commit": "c", "processor": "p", "cores": 2, "memory_gib": 1, "system": "s",
        "python": "3", "packages": {}, "load": [0.0],
    }  # fmt: skip
    page = report.page({"facts": facts, **results}, [])

    assert goals["in process, every function, faster than VictoriaMetrics"] == pytest.approx(4)
    assert goals["HTTP JSON, every function, faster than VictoriaMetrics"] == pytest.approx(2**0.5)
    assert goals["in process, every function, the slowest query beside VictoriaMetrics"] == 16
    assert "| `abs` |  | 16.0 | 1.00 | 2.00 |" in page
    assert "| `rollup` |  |  | 4.00 | 4.00 |" in page


def test_nothing_measured_is_no_goal_missed() -> None:
    assert acceptance.section({}) == ""


def test_a_failed_part_is_told() -> None:
    facts = {
        "at": "now", "commit": "c", "processor": "p", "cores": 2, "memory_gib": 1, "system": "s",
        "python": "3", "packages": {}, "load": [0.0],
    }  # fmt: skip
    page = report.page({"facts": facts, "failed": {"clients": "OSError: gone"}}, [])

    assert "- clients: OSError: gone" in page


LONG = bytes(range(250)) * 12_000


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
            b"hello",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"6\r\n0\r\n\r\nx\r\n1;of=two\r\n!\r\n0\r\n\r\n",
            b"0\r\n\r\nx!",
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + LONG, LONG),
        (b"HTTP/1.1 204 No\r\nContent-Length: 0\r\n\r\n", b""),
    ],
)
def test_the_client_reads_whole_answers(answer: bytes, body: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            taken, _ = server.accept()
            with taken:
                taken.recv(1 << 16)
                for byte in range(0, 200, 7):
                    taken.sendall(answer[byte : min(byte + 7, 200)])
                taken.sendall(answer[200:])

        thread = threading.Thread(target=serve)
        thread.start()
        connection = Connection(server.getsockname()[1])
        found = connection.ask(get_request("x", "/", [("query", "a b")]))
        connection.close()
        thread.join()

    assert (found.status, found.body) == (int(answer[9:12]), body)
    assert found.seconds > 0


def test_the_client_opens_a_closed_connection_again() -> None:
    """A server may close one that was idle, also before the first request; one that closes the
    next one as well is another matter."""
    answers = [b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" + body for body in (b"a", b"b")]
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for answer in (
                b"",
                *answers,
                b"",
                b"",
                b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
            ):
                taken, _ = server.accept()
                with taken:
                    taken.recv(1 << 16)
                    taken.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        port, request = server.getsockname()[1], get_request("x", "/", [])
        connection = Connection(port)
        found = [connection.ask(request).body for _ in answers]
        connection.close()
        for _ in range(2):
            connection = Connection(port)
            with pytest.raises(ConnectionError):
                connection.ask(request)
            connection.close()
        thread.join()

    assert found == [b"a", b"b"]
