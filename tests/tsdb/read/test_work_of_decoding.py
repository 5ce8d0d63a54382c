"""Values that are decoded without compiled code count once towards loading it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from novaql import tsdb
from novaql.tsdb.codec.numba.compiled import PAGES
from novaql.tsdb.model.labels import SeriesTable

SERIES, SAMPLES = 20, 500


def test_each_value_counts_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with tsdb.open(tmp_path / "db") as database:
        labels = [{"__name__": "m", "i": str(i)} for i in range(SERIES)]
        values = np.random.default_rng(7).random(SERIES * SAMPLES).round(2)
        times = np.tile(np.arange(SAMPLES) * 15_000, SERIES)
        rows = np.repeat(np.arange(SERIES), SAMPLES)
        database.append(tsdb.Batch(SeriesTable.from_dicts(labels), rows, times, values))
        database.flush()
    work: list[int] = []
    monkeypatch.setattr(PAGES, "ready", work.append)

    with tsdb.open(tmp_path / "db") as database:
        selection = database.select([], 0, SAMPLES * 15_000)
        found = [ref.load() for ref in selection.batches]

    assert sum(batch.values.size for batch in found) == SERIES * SAMPLES
    assert sum(work) == SERIES * SAMPLES
