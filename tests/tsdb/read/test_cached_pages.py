"""Pages of which queries read few series are cached, if all pages of the blocks fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from novaql import tsdb
from novaql.tsdb.model.labels import Ints, SeriesTable
from novaql.tsdb.model.matchers import Matcher, MatchOp
from novaql.tsdb.parts.sorted_run import MANY_PAGES

SERIES, SAMPLES = 2000, 400


def filled(folder: Path, times: Ints) -> Path:
    """A block in which each page has series of all jobs. times: [SERIES, SAMPLES]"""
    labels = [{"__name__": "m", "i": f"{i:04}", "job": str(i % 20)} for i in range(SERIES)]
    values = np.random.default_rng(7).random(SERIES * SAMPLES)
    rows = np.repeat(np.arange(SERIES), SAMPLES)
    with tsdb.open(folder, sync="os") as database:
        database.append(tsdb.Batch(SeriesTable.from_dicts(labels), rows, times.ravel(), values))
        database.flush()
    return folder


SAME_TIMES = np.tile(np.arange(SAMPLES) * 15_000, (SERIES, 1))


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Series with the same times, which are stored once; and each with times of its own."""
    folder = tmp_path_factory.mktemp("pages")
    return {
        "same": filled(folder / "same", SAME_TIMES),
        "own": filled(folder / "own", SAME_TIMES + np.arange(SERIES)[:, np.newaxis]),
    }


@pytest.mark.parametrize(
    ("times", "cache_bytes", "fits"),
    [
        ("same", 200 << 20, True),
        ("same", 20 << 20, False),
        ("own", 60 << 20, True),
        ("own", 40 << 20, False),  # the values alone would fit
    ],
)
def test_queries_of_some_series_share_pages(
    stores: dict[str, Path], times: str, cache_bytes: int, fits: bool
) -> None:
    with tsdb.open(stores[times], read_only=True, cache_bytes=cache_bytes) as database:
        pages, entries = database._state.pages, []
        for job in ("3", "4"):
            selection = database.select([Matcher("job", MatchOp.EQUAL, job)], 0, SAMPLES * 15_000)
            found = [ref.load() for ref in selection.batches]
            assert sum(batch.values.size for batch in found) == SERIES // 20 * SAMPLES
            entries.append(len(pages))

    assert (entries[0] > MANY_PAGES) is fits
    if times == "same":
        assert entries[0] == entries[1]  # the second query decodes nothing
