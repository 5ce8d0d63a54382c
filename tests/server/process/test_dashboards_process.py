"""Queries, dashboards and panels of a server that is a process of its own, over real HTTP."""

from __future__ import annotations

import csv
import io
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest

from tests.support.messages.remote_write_messages import message_of, packed
from tests.support.servers.http_server import WRITE_HEADERS, server_process

pytestmark = pytest.mark.slow

NOW_S = 1_700_000_000
RATE = 'rate(m_total{job="$job"}[30s])'


def test_every_endpoint_of_queries_and_dashboards(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with ExitStack() as stack, server_process(data) as server:
        bearer = {"Authorization": f"Bearer {server.token}"}
        client = stack.enter_context(httpx.Client(base_url=server.url, headers=bearer, timeout=30))
        samples = [((NOW_S - 60 + i) * 1000, float(i)) for i in range(61)]
        body = packed(message_of([({"__name__": "m_total", "job": j}, samples) for j in "ab"]))
        sent = client.post("/prometheus/api/v1/write", content=body, headers=WRITE_HEADERS)
        assert sent.status_code == 204

        query = {"query": "sum by (job) (rate(m_total[30s]))", "time": NOW_S}
        answer = client.post("/v1/novaql", json=query).json()
        assert [s["value"] for s in answer["result"]] == [[NOW_S, 1], [NOW_S, 1]]
        for tool in ("parse", "format", "explain", "lint", "complete"):
            told = client.post(f"/v1/novaql/{tool}", json={"query": query["query"]})
            assert told.status_code == 200, told.text

        made: dict[str, Any] = client.post(
            "/v1/dashboards",
            json={
                "title": "D",
                "variables": [{"name": "job", "type": "query", "query": "label_values(job)"}],
                "panels": [
                    {
                        "title": "Rate",
                        "type": "timeseries",
                        "queries": [{"expr": RATE, "legend": "{{job}}"}],
                        "grid": {"x": 0, "y": 0, "w": 24, "h": 8},
                    }
                ],
            },
        ).json()
        (listed,) = client.get("/v1/dashboards").json()["data"]
        assert listed["id"] == made["id"]
        panel = f"/v1/panels/{made['panels'][0]['id']}/data"
        window: dict[str, Any] = {"start": NOW_S - 10, "end": NOW_S, "step": 5, "var-job": "b"}
        shown = client.get(panel, params=window).json()
        assert shown["queries"][0]["legends"] == ["b"]
        text = client.get(panel, params=window | {"format": "csv"}).text
        assert list(csv.reader(io.StringIO(text, newline="")))[1][1:] == ["b", "1"]
        stream = client.get(panel, params=window | {"format": "arrow"}).content
        assert pa.ipc.open_stream(stream).read_all()["value"].to_pylist() == [1.0, 1.0, 1.0]
        server.kill()

    with (
        ExitStack() as stack,
        server_process(data) as again,
    ):  # what was answered with 201 is there after a kill -9
        client = stack.enter_context(httpx.Client(base_url=again.url, headers=bearer, timeout=30))
        assert client.get(f"/v1/dashboards/{made['id']}").json() == made
        assert client.get(panel, params=window).json()["queries"][0]["result"] != []
        out = client.get(f"/v1/dashboards/{made['id']}/export?format=grafana").json()
        back = client.post("/v1/dashboards/import", json={"dashboard": out})
        assert back.status_code == 201
        assert client.delete(f"/v1/dashboards/{made['id']}").status_code == 204
        assert client.get(panel).status_code == 404


def test_workers_show_panels_with_the_owners_samples(tmp_path: Path) -> None:
    with ExitStack() as stack, server_process(tmp_path / "data", "--workers", "2") as server:
        bearer = {"Authorization": f"Bearer {server.token}"}
        client = stack.enter_context(httpx.Client(base_url=server.url, headers=bearer, timeout=30))
        body = packed(message_of([({"__name__": "m"}, [(NOW_S * 1000, 7.0)])]))
        sent = client.post("/prometheus/api/v1/write", content=body, headers=WRITE_HEADERS)
        assert sent.status_code == 204
        grid = {"x": 0, "y": 0, "w": 24, "h": 8}
        made: dict[str, Any] = client.post(
            "/v1/dashboards",
            json={
                "title": "D",
                "panels": [
                    {"title": "M", "type": "stat", "queries": [{"expr": "m"}], "grid": grid}
                ],
            },
        ).json()
        panel = f"/v1/panels/{made['panels'][0]['id']}"
        embed = client.post(f"{panel}/embeds", json={}).json()
        window: dict[str, Any] = {"start": NOW_S, "end": NOW_S, "step": 1}
        data_url = f"/v1/embeds/{embed['id']}/data"
        for _ in range(12):  # connections of their own, so that each worker has some
            with httpx.Client(base_url=server.url, timeout=30) as other:
                seen = other.get(f"{panel}/data", params=window, headers=bearer).json()
                embedded = other.get(data_url, params=window | {"token": embed["token"]}).json()
                page = other.get(f"/v1/embeds/{embed['id']}/page?token={embed['token']}")
            assert seen["queries"][0]["result"][0]["values"] == [[NOW_S, 7]]
            assert embedded["queries"][0]["result"] == seen["queries"][0]["result"]
            assert page.status_code == 200
