"""The memory of the data of panels."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import numpy as np
import pytest

from novaql import tsdb
from tests.support.servers.http_server import LocalServer, local_server

MIB = 1 << 20
ROWS, LONG = 200, 400_000
AT_S = 1_700_000_000


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    """A store with long labels, which its series share with answers to queries."""
    sets = [{"__name__": "m", "long": "x" * LONG + str(i)} for i in range(ROWS)]
    rows, at = np.arange(ROWS), np.full(ROWS, AT_S * 1000)
    with tsdb.memory() as store:
        series = tsdb.SeriesTable.from_dicts(sets)
        store.append(tsdb.Batch(series, rows, at, rows.astype(np.float64)))
        with local_server(store, query_memory_bytes=128 * MIB) as made:
            yield made


def data_of(server: LocalServer, expr: str, form: str, legend: str | None) -> httpx.Response:
    query = {"expr": expr, "instant": True, "legend": legend}
    grid = {"x": 0, "y": 0, "w": 12, "h": 8}
    panel = {"title": "p", "type": "table", "queries": [query], "grid": grid}
    made = server.client.post(
        "/v1/dashboards", json={"title": "d", "panels": [panel]}, headers=server.bearer()
    )
    assert made.status_code == 201, made.text
    return server.client.get(
        f"/v1/panels/{made.json()['panels'][0]['id']}/data",
        params={"start": AT_S - 60, "end": AT_S, "format": form},
        headers=server.bearer(),
    )


@pytest.mark.slow
@pytest.mark.parametrize("form", ["json", "csv", "arrow"])
@pytest.mark.parametrize("legend", [None, "{{long}}"])
def test_the_text_of_a_panel_is_reserved(
    server: LocalServer, form: str, legend: str | None
) -> None:
    many, few = (data_of(server, expr, form, legend) for expr in ("m", "topk(2, m)"))
    short = data_of(server, "m", form, "name") if form != "json" else few

    assert (few.status_code, short.status_code) == (200, 200)
    if legend is None or form == "json":
        assert many.status_code == 422
        assert "the text of the panel's data needs" in many.text
    else:  # 13 MB: a legend is cut to 64 KiB
        assert many.status_code == 200
    assert server.context.pools.query_memory.used == 0


def test_the_page_of_an_embedded_panel_is_reserved(server: LocalServer) -> None:
    grid = {"x": 0, "y": 0, "w": 12, "h": 8}
    panels = [
        {"title": "p", "type": "table", "queries": [{"expr": expr}], "grid": grid | {"y": 8 * at}}
        for at, expr in enumerate(("m", "sum(m)"))
    ]
    made = server.client.post(
        "/v1/dashboards",
        json={"title": "d", "panels": panels, "time_range": {"from": str(AT_S), "to": str(AT_S)}},
        headers=server.bearer(),
    )
    assert made.status_code == 201, made.text
    pages = []
    for panel in made.json()["panels"]:
        embed = server.client.post(
            f"/v1/panels/{panel['id']}/embeds", json={}, headers=server.bearer()
        )
        pages.append(server.client.get(embed.json()["page_url"]))

    assert [page.status_code for page in pages] == [422, 200]
    assert "the page of the panel needs" in pages[0].text
    assert server.context.pools.query_memory.used == 0
