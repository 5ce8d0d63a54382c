"""Pages of which queries read few series are cached, if all pages of the blocks fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from novaql import tsdb
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.matchers import Matcher, MatchOp
from novaql.tsdb.parts.sorted_run import MANY_PAGES

SERIES, SAMPLES = 2000, 400


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each page has series of all jobs."""
    folder = tmp_path_factory.mktemp("pages") / "store"
    labels = [{"__name__": "m", "i": f"{i:04}", "job": str(i % 20)} for i in range(SERIES)]
    values = np.random.default_rng(7).random(SERIES * SAMPLES)
    times = np.tile(np.arange(SAMPLES) * 15_000, SERIES)
    rows = np.repeat(np.arange(SERIES), SAMPLES)
    with tsdb.open(folder, sync="os") as database:
        database.append(tsdb.Batch(SeriesTable.from_dicts(labels), rows, times, values))
        database.flush()
    return folder


@pytest.mark.parametrize(("cache_bytes", "fits"), [(200 << 20, True), (20 << 20, False)])
def test_queries_of_some_series_share_pages(store: Path, cache_bytes: int, fits: bool) -> None:
    with tsdb.open(store, read_only=True, cache_bytes=cache_bytes) as database:
        pages, entries = database._state.pages, []
        for job in ("3", "4"):
            selection = database.select([Matcher("job", MatchOp.EQUAL, job)], 0, SAMPLES * 15_000)
            found = [ref.load() for ref in selection.batches]
            assert sum(batch.values.size for batch in found) == SERIES // 20 * SAMPLES
            entries.append(len(pages))

    assert (entries[0] > MANY_PAGES) is fits
    assert entries[0] == entries[1]  # the second query decodes nothing
