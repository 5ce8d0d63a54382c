"""The cost of a body for a server: each in a separate process, which begins warm.

python -m tests.support.abuse.measured_bodies              every kind of `hostile_bodies`
python -m tests.support.abuse.measured_bodies influx       those whose names contain a text

NOVAQL_HOSTILE_MB=64 makes them as large as a server accepts by default.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import resource
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import httpx
from starlette.applications import Starlette

from novaql import tsdb
from novaql.inputs.compiled.compiling import WALKS
from novaql.server.app import create_app
from novaql.server.settings import Settings
from tests.support.abuse import hostile_body
from tests.support.abuse.hostile_arrow import FULL
from tests.support.abuse.hostile_bodies import KINDS
from tests.support.abuse.hostile_body import Hostile
from tests.support.servers.http_server import fresh_state

ADDRESS_SPACE = 3 << 30
LONGEST_S = 100
GOOD = {
    hostile_body.TEXT: b"good 1 1700000000000\n",
    hostile_body.OPENMETRICS: b"good 1 1700000000\n# EOF\n",
    hostile_body.INFLUX: b"go od=1 1700000000000000000\n",
    hostile_body.LINES: b'{"metric":{"__name__":"good"},"value":1,"timestamp":1700000000000}\n',
}


def measure(name: str) -> dict[str, Any]:
    """Status, bytes on the wire, growth of the process at its peak, and whether a good body is
    stored afterwards."""
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(out)
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
        resource.setrlimit(resource.RLIMIT_CPU, (LONGEST_S, LONGEST_S))
        try:
            found = asyncio.run(_measured(KINDS[name]))
        except BaseException as problem:  # noqa: BLE001 - a separate process, which reports it
            found = {"error": repr(problem)[:300]}
        os.write(into, json.dumps(found).encode())
        os._exit(0)
    os.close(into)
    with os.fdopen(out, "rb") as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    return {"name": name, **(json.loads(said) if said else {"error": f"ended with {status}"})}


async def _warm() -> None:
    """Serve good bodies and a query once, so that forks have what a server creates for its first
    ones."""
    with tempfile.TemporaryDirectory() as folder:
        app = _app(Path(folder))
        async with app.router.lifespan_context(app), _client_of(app) as client:
            for kind, good in GOOD.items():
                await _send(client, hostile_body.INGEST, kind, good)
            await client.get("/prometheus/api/v1/query", params={"query": "good"})


def _app(folder: Path) -> Starlette:
    store = tsdb.open(folder / "samples", sync="os")
    settings = Settings(
        data=folder,
        auth=False,
        rate_per_minute=0,
        rate_per_day=0,
        max_decompressed_bytes=FULL,
    )
    return create_app(settings, store=store, database=fresh_state(folder))


def _client_of(app: Starlette) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", timeout=LONGEST_S)


async def _measured(hostile: Hostile) -> dict[str, Any]:
    body = hostile.make()
    with tempfile.TemporaryDirectory() as folder:
        async with _client_of(_app(Path(folder))) as client:
            for kind, good in GOOD.items():
                await _send(client, hostile_body.INGEST, kind, good)
            before = _memory("VmRSS")
            Path("/proc/self/clear_refs").write_text("5")
            began = time.perf_counter()
            answer = await _send(client, hostile.path, hostile.kind, body, hostile.encoding)
            took = time.perf_counter() - began
            grown = _memory("VmHWM") - before
            sound = await _good_one(client, hostile)
    return {
        "status": answer.status_code,
        "sent": len(body),
        "grown": grown,
        "took": round(took, 2),
        "said": answer.text[:200],
        "good": sound,
    }


async def _good_one(client: httpx.AsyncClient, hostile: Hostile) -> bool:
    """Whether a good body at the same endpoint is stored, with all labels, and a query finds it."""
    labels = {"__name__": "afterwards", "job": "a", "instance": "b"}
    if hostile.path == hostile_body.WRITE:
        from tests.support.messages.remote_messages import write_2_message  # noqa: PLC0415
        from tests.support.messages.remote_write_messages import message_of, packed  # noqa: PLC0415

        series = [(labels, [(1_700_000_000_000, 7.0)])]
        second = hostile.kind == hostile_body.PROTO_2
        message = write_2_message(series) if second else message_of(series)
        body, kind, encoding = packed(message), hostile.kind, "snappy"
    elif hostile.path == hostile_body.OTLP:
        named = {"service.name": labels["job"], "service.instance.id": labels["instance"]}
        attributes = [{"key": key, "value": {"stringValue": text}} for key, text in named.items()]
        points = [{"timeUnixNano": str(1_700_000_000 * 10**9), "asInt": "7"}]
        metric = {"name": "afterwards", "gauge": {"dataPoints": points}}
        of_resource = {
            "resource": {"attributes": attributes},
            "scopeMetrics": [{"metrics": [metric]}],
        }
        request = {"resourceMetrics": [of_resource]}
        body, kind, encoding = json.dumps(request).encode(), "application/json", ""
    else:
        body = b'afterwards{instance="b",job="a"} 7 1700000000000\n'
        kind, encoding = hostile_body.TEXT, ""
    path = hostile.path
    if path not in (hostile_body.WRITE, hostile_body.OTLP):
        path = hostile_body.INGEST
    answer = await _send(client, path, kind, body, encoding)
    if answer.status_code not in (200, 204):
        return False
    found = await client.get(
        "/prometheus/api/v1/query", params={"query": "afterwards", "time": "1700000000"}
    )
    result = found.json()["data"]["result"]
    wanted = {**labels}
    return len(result) == 1 and result[0]["metric"] == wanted and result[0]["value"][1] == "7"


async def _send(
    client: httpx.AsyncClient, path: str, kind: str, body: bytes, encoding: str = ""
) -> httpx.Response:
    headers = {"Content-Type": kind}
    if encoding:
        headers["Content-Encoding"] = encoding
    return await client.post(path, content=body, headers=headers)


def _memory(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) << 10
    raise LookupError(field)


def main() -> None:
    """Print a line of JSON for each kind."""
    import pyarrow.compute  # noqa: F401, PLC0415 - begin warm

    WALKS.prepare()
    asyncio.run(_warm())
    assert threading.active_count() == 1, "threads do not survive a fork"
    gc.collect()
    gc.freeze()  # as a server does after its start
    wanted = sys.argv[1:]
    for name in KINDS:
        if not wanted or any(part in name for part in wanted):
            sys.stdout.write(json.dumps(measure(name)) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
