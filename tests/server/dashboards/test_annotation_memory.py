"""The size of an answer with the marks of annotations."""

from __future__ import annotations

import numpy as np

from novaql import tsdb
from tests.support.servers.http_server import local_server

MIB = 1 << 20
LONG, STEPS = 400_000, 100
AT_S = 1_700_000_000


def test_marks_that_repeat_long_labels_are_cut() -> None:
    series = tsdb.SeriesTable.from_dicts([{"__name__": "deploys", "long": "x" * LONG}])
    at = AT_S * 1000 + 15_000 * np.arange(STEPS)
    values = (np.arange(STEPS) % 2).astype(np.float64)  # a mark at each second step
    annotation = {"name": "a", "expr": "deploys", "title": "deploy"}
    made = {"title": "d", "panels": [], "annotations": [annotation]}
    times: dict[str, str | int] = {"start": AT_S, "end": AT_S + 15 * STEPS, "step": "15"}
    with tsdb.memory() as store:
        store.append(tsdb.Batch(series, np.zeros(STEPS, np.int64), at, values))
        with local_server(store) as server:
            dashboard = server.client.post(
                "/v1/dashboards", json=made, headers=server.bearer()
            ).json()
            path = f"/v1/dashboards/{dashboard['id']}/annotations"
            whole = server.client.get(path, params=times, headers=server.bearer())
            few = server.client.get(
                path, params=times | {"end": AT_S + 60}, headers=server.bearer()
            )

    assert len(whole.content) < 9 * MIB
    assert whole.json()["truncated"]
    assert [mark["start"] for mark in whole.json()["data"][:2]] == [
        "2023-11-14T22:13:35Z",
        "2023-11-14T22:14:05Z",
    ]
    assert not few.json()["truncated"]
    assert [len(mark["labels"]["long"]) for mark in few.json()["data"]] == [LONG, LONG]
