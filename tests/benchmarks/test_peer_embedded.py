"""The peer benchmark's calls over a small data set of its form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.peer_embedded import open_dataset


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Two counters, one sample every 15 s for ten minutes; b ends after five."""
    folder = tmp_path / "dataset"
    folder.mkdir()
    labels = [[("__name__", "hits"), ("job", "a")], [("__name__", "hits"), ("job", "b")]]
    maps = pa.array(labels, pa.map_(pa.string(), pa.string()))
    ids = pa.array([0, 1], pa.uint32())
    pq.write_table(pa.table({"series_id": ids, "labels": maps}), folder / "web.series.parquet")
    times = np.arange(1, 41) * 15_000
    samples: dict[str, Any] = {
        "series_id": pa.array(np.repeat([0, 1], [40, 20]), pa.uint32()),
        "timestamp_ms": np.concatenate([times, times[:20]]),
        "value": np.concatenate([times / 1000, times[:20] / 500]),
    }
    pq.write_table(pa.table(samples), folder / "web.samples.parquet")
    return folder


def test_answers(dataset: Path) -> None:
    opened = open_dataset(dataset)

    labels, times, values = opened.range("rate(hits[1m])", 120, 600, 240)
    assert labels == [{"job": "a"}, {"job": "b"}]
    assert times.tolist() == [120_000, 360_000, 600_000]
    np.testing.assert_allclose(values, np.array([[1, 1, 1], [2, np.nan, np.nan]]))
    assert opened.instant("sum(hits)", 300)[2].tolist() == [[900.0]]
    assert opened.labels(["hits"], 0, 600) == ["__name__", "job"]
    assert opened.label_values("job", [], 0, 600) == ["a", "b"]
    assert opened.series(['hits{job="b"}'], 0, 600) == [{"__name__": "hits", "job": "b"}]
    opened.close()


def test_a_load_that_was_cut_short_is_begun_again(dataset: Path) -> None:
    open_dataset(dataset).close()
    store = dataset.parent / "novaql"
    (store / "LOADED").unlink()

    opened = open_dataset(dataset)

    assert (store / "LOADED").exists()
    assert opened.instant("count(hits)", 300)[2].tolist() == [[2.0]]
    opened.close()
