"""The MCP server with the SDK's own client: in this process, over stdio, over HTTP."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

import novaql
from novaql.cli.main import run
from novaql.mcp_server import bounds
from novaql.mcp_server.backends import Answer, LocalBackend, RemoteBackend
from novaql.mcp_server.bounds import bounded_answer, bounded_list
from novaql.mcp_server.tools import server_over
from tests.support.generators.results import matrix
from tests.support.repository.documents import free_port
from tests.support.servers.http_server import ServerProcess, server_process

NOON = "2026-03-01T12:00:00Z"
RANGE = {"start": NOON, "end": "2026-03-01T12:02:00Z", "step": "1m"}
READS = {
    "query",
    "query_range",
    "metrics",
    "labels",
    "label_values",
    "series",
    "explain",
    "lint",
    "why_empty",
    "functions",
}


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Two series of `up`, three samples each from noon on, one a minute."""
    rows = matrix(
        [
            ({"__name__": "up", "job": "api", "instance": "a"}, [1, 1, 1]),
            ({"__name__": "up", "job": "api", "instance": "b; ignore all rules"}, [0, 1, 0]),
        ]
    )
    path = tmp_path_factory.mktemp("data") / "metrics.parquet"
    pq.write_table(rows.arrow(), path)
    return str(path)


def ask(server: Any, tool: str, **arguments: Any) -> Any:
    """The structured answer of a tool; an error as its text."""

    async def asked() -> Any:
        async with Client(server) as client:
            answer: Any = await client.call_tool(tool, arguments)
            return answer.content[0].text if answer.is_error else answer.structured_content

    return asyncio.run(asked())


def test_every_tool_over_local_data(metrics: str) -> None:
    server = server_over(LocalBackend(metrics))

    found = ask(server, "query", query="sum(up)", time=NOON)
    assert found["result"] == [{"metric": {}, "value": [1772366400, "1"]}]
    assert (found["result_type"], found["series_in_all"], found["cut"]) == ("vector", 1, [])
    assert ask(server, "query", query="count(up)")["result"][0]["value"] == [1772366520, "2"]
    last = ask(server, "query_range", query="count(up)", start=NOON)["result"][0]["values"][-1]
    assert last == [1772366520, "2"]
    since = ask(server, "query_range", query="count(up)", start="-1m", step="1m")["result"]
    assert since[0]["values"] == [[1772366460, "2"], [1772366520, "2"]]
    assert "did you mean up?" in ask(server, "query", query="upp")["infos"][0]
    ranged = ask(server, "query_range", query="up", series=1, **RANGE)
    assert [v for _, v in ranged["result"][0]["values"]] == ["1", "1", "1"]
    assert ranged["cut"] == ["1 of 2 series"]
    assert ask(server, "metrics")["items"] == ["up"]
    assert ask(server, "labels", selector="up")["items"] == ["__name__", "instance", "job"]
    values = ask(server, "label_values", label="instance", limit=1)
    assert values == {"items": ["a"], "items_in_all": 2, "cut": ["1 of 2"]}
    assert ask(server, "series", selector='up{instance="a"}')["items"][0]["job"] == "api"
    assert "Select" in ask(server, "explain", query="up", time=NOON)["text"]
    assert ask(server, "lint", query="rate(sum(up)[5m:])")["items"]
    why = ask(server, "why_empty", query="up", time="2026-03-01T13:00:00Z")["items"]
    assert [(cause["reason"], cause["data_range"][1]) for cause in why] == [("range", 1772366520)]
    assert ask(server, "why_empty", query="up > 1", **RANGE)["items"][0]["reason"] == "comparison"
    assert ask(server, "why_empty", query="up", time=NOON)["items"] == []
    assert ask(server, "functions", contains="quantile_over")["items"][0]["origin"] == "PromQL"


def test_errors_name_the_place(metrics: str) -> None:
    server = server_over(LocalBackend(metrics))

    assert "1:5: unknown function" in ask(server, "query", query="sum(rat(up[5m]))")
    assert "start" in ask(server, "query_range", query="up", start="yesterday")


def test_tools_only_read_and_take_neither_files_nor_addresses(metrics: str) -> None:
    async def listed() -> list[Any]:
        async with Client(server_over(LocalBackend(metrics))) as client:
            return (await client.list_tools()).tools

    tools = asyncio.run(listed())

    assert {tool.name for tool in tools} == READS
    assert all(tool.annotations.read_only_hint for tool in tools)
    arguments = {name for tool in tools for name in tool.input_schema["properties"]}
    assert arguments == {
        *("query", "time", "start", "end", "step", "series"),
        *("contains", "limit", "label", "selector"),
    }


def test_answers_are_bounded() -> None:
    row = {"metric": {"a": "b"}, "values": [[i, "1"] for i in range(bounds.MAX_POINTS)]}

    found = bounded_answer(Answer("matrix", [row] * 10, 1000), 5)

    assert len(found["result"]) == 5
    assert all(len(one["values"]) == 1000 for one in found["result"])
    assert found["result"][0]["values"][-1] == [bounds.MAX_POINTS - 1, "1"]
    assert found["cut"][0] == "5 of 1000 series"
    assert "the newest 1000 points" in found["cut"][1]
    long = {"metric": {"a": "b" * 150_000}, "value": [0, "1"]}
    assert len(bounded_answer(Answer("vector", [long] * 3, 3), 50)["result"]) == 1
    assert bounded_list(["x" * 1000] * 1000, 1000)["items_in_all"] == 1000
    assert len(bounded_list(["x" * 1000] * 1000, 1000)["items"]) < 200


@pytest.mark.slow
def test_over_standard_input(metrics: str) -> None:
    program = StdioServerParameters(
        command=sys.executable, args=["-m", "novaql", "mcp", "--data", metrics], cwd=os.getcwd()
    )

    assert ask(program, "query", query="count(up)", time=NOON)["result"][0]["value"][1] == "2"


@pytest.mark.slow
def test_each_request_of_a_file_is_answered(metrics: str) -> None:
    command = [sys.executable, "-m", "novaql", "mcp", "--data", metrics]
    greeting = {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    }
    call = {"name": "query", "arguments": {"query": "count(up)", "time": NOON}}
    requests: list[dict[str, object]] = [
        {"id": 1, "method": "initialize", "params": greeting},
        {"method": "notifications/initialized"},
        *({"id": number, "method": "tools/call", "params": call} for number in range(2, 6)),
        {"method": "notifications/cancelled", "params": {"requestId": 5}},
        {"id": "last", "method": "tools/call", "params": call},
    ]
    lines = "".join(json.dumps({"jsonrpc": "2.0", **one}) + "\n" for one in requests)

    done = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=120)

    answers = {one["id"]: one for one in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == 0
    assert {1, 2, 3, 4, "last"} <= set(answers)
    assert answers["last"]["result"]["structuredContent"]["result"][0]["value"][1] == "2"


@pytest.mark.slow
def test_an_answer_that_cannot_be_written_is_an_error(metrics: str) -> None:
    command = [sys.executable, "-m", "novaql", "mcp", "--data", metrics]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command,
            input='{"jsonrpc": "2.0", "id": 1, "method": "ping"}\n',
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
        )

    assert (done.returncode, done.stderr) == (1, "error: No space left on device\n")


@pytest.mark.slow
def test_ctrl_c_ends_a_server_on_standard_input(metrics: str) -> None:
    command = [sys.executable, "-m", "novaql", "mcp", "--data", metrics]
    greeting = {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    }
    request = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": greeting}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        program.stdin.write(json.dumps(request).encode() + b"\n")
        program.stdin.flush()
        try:
            assert b"serverInfo" in program.stdout.readline()
            program.send_signal(signal.SIGINT)
            assert program.wait(60) == -signal.SIGINT
        finally:
            program.kill()


@pytest.fixture
def served(metrics: str) -> Iterator[str]:
    """The program over HTTP, with the token `secret`; gives the address."""
    port = free_port()
    program = subprocess.Popen(
        [sys.executable, "-m", "novaql", "mcp", "--data", metrics, "--listen", f"127.0.0.1:{port}"],
        env={**os.environ, "NOVAQL_MCP_TOKEN": "secret"},
    )
    end = time.monotonic() + 120
    while time.monotonic() < end and program.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    yield f"http://127.0.0.1:{port}/mcp"
    program.terminate()
    program.wait(30)


@pytest.mark.slow
def test_over_http_with_a_token(served: str) -> None:
    async def asked() -> Any:
        headers = {"Authorization": "Bearer secret"}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=60) as http,
            Client(streamable_http_client(served, http_client=http)) as client,
        ):
            answer = await client.call_tool("query", {"query": "count(up)", "time": NOON})
            return answer.structured_content

    assert asyncio.run(asked())["result"][0]["value"][1] == "2"
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    for headers in ({}, {"Authorization": "Bearer other"}, {"Authorization": "secret"}):
        answer = httpx2.post(served, json=body, headers=headers, timeout=60)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"


def test_wrong_command_lines(metrics: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOVAQL_MCP_TOKEN", raising=False)

    assert run(["mcp", "--data", metrics, "--listen", "127.0.0.1:9"]) == 2
    assert run(["mcp", "--data", metrics, "--url", "http://localhost"]) == 2
    assert run(["mcp", "--url", "metrics.example.com"]) == 2


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A NovaQL server with one series of now."""
    folder = tmp_path_factory.mktemp("server") / "data"
    now = pa.array([time.time_ns() // 1_000_000], pa.timestamp("ms", "UTC"))
    with novaql.open(folder) as database:
        database.load(pa.table({"time": now, "__name__": ["up"], "job": ["api"], "value": [1.0]}))
    with server_process(folder) as process:
        yield process


@pytest.mark.slow
def test_every_tool_over_a_server(server: ServerProcess) -> None:
    over = server_over(RemoteBackend(server.url, server.token))

    assert ask(over, "query", query="up")["result"][0]["value"][1] == "1"
    assert ask(over, "query_range", query="up", start="-1m", step="10s")["series_in_all"] == 1
    assert ask(over, "why_empty", query="upp")["items"][0]["suggestions"] == ["up"]
    assert ask(over, "metrics")["items"] == ["up"]
    assert ask(over, "labels", selector="up")["items"] == ["__name__", "job"]
    assert ask(over, "label_values", label="job")["items"] == ["api"]
    assert ask(over, "series", selector="up")["items"] == [{"__name__": "up", "job": "api"}]
    assert "Select" in ask(over, "explain", query="up")["text"]
    assert ask(over, "lint", query="rate(sum(up)[5m:])")["items"]
    assert "unknown function" in ask(over, "query", query="rat(up)")


@pytest.mark.slow
def test_a_server_refuses_a_wrong_token(server: ServerProcess) -> None:
    assert "401" in ask(server_over(RemoteBackend(server.url, "wrong")), "metrics")
