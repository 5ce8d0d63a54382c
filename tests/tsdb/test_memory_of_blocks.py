"""What a query over many series keeps of each block that it reads, in bytes a series.

A store that takes in samples all day has ten to twenty blocks of which some have yet to be merged,
so with 100 000 series each byte here is one or two megabytes in every process that asks.
"""

from __future__ import annotations

import gc
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from novaql import tsdb
from novaql.tsdb.model.labels import LabelColumn, SeriesTable
from novaql.tsdb.model.matchers import Matcher, MatchOp
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.parts import merge_series as union
from novaql.tsdb.read import batches as assemble_batches

pytestmark = pytest.mark.slow

SERIES, BLOCKS, SAMPLES = 20_000, 6, 1
STEP_MS = 60_000


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Counters of 400 targets, each of which has times of its own; in each block series that are
    alike stand side by side, which are others than in the block before."""
    folder = tmp_path_factory.mktemp("memory") / "store"
    target = np.arange(SERIES, dtype=np.int32) // 50
    columns = {
        "__name__": LabelColumn.constant("requests", SERIES),
        "code": LabelColumn(
            np.arange(SERIES, dtype=np.int32) % 50 + 1, ("", *(f"{n}" for n in range(50)))
        ),
        "instance": LabelColumn(target + 1, ("", *(f"i-{n}" for n in range(SERIES // 50)))),
    }
    labels = SeriesTable.from_columns(SERIES, columns)
    rng = np.random.default_rng(3)
    with tsdb.open(folder, sync="os", compaction=False) as database:
        for block in range(BLOCKS):
            steps = np.arange(block * SAMPLES, (block + 1) * SAMPLES)
            times = steps[None, :] * STEP_MS + (target * 7)[:, None]
            rows = np.broadcast_to(rng.permutation(SERIES)[:, None], times.shape)
            values = rng.poisson(3.0, times.shape).cumsum(axis=1).astype(float)
            database.append(Batch(labels, rows.ravel(), times[rows[:, 0]].ravel(), values.ravel()))
            database.flush()
        assert database.stats().blocks == BLOCKS
    return folder


def traced(store: Path, blocks: int) -> tuple[int, int]:
    """Bytes that a query over the first so many blocks leaves, and takes at most: the least of some
    tries, because threads of earlier tests allocate, too."""
    tries = [_traced_once(store, blocks) for _ in range(3)]
    return min(left for left, _ in tries), min(most for _, most in tries)


def _traced_once(store: Path, blocks: int) -> tuple[int, int]:
    with tsdb.open(store, read_only=True, cache_bytes=0) as database:
        gc.collect()
        tracemalloc.start()
        try:
            matchers = [Matcher("__name__", MatchOp.EQUAL, "requests")]
            found = database.select(matchers, 0, blocks * SAMPLES * STEP_MS - 1)
            assert found.batches is not None
            read = sum(len(ref.load().values) for ref in found.batches)
            assert read == SERIES * blocks * SAMPLES
            gc.collect()
            return tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()


def test_a_block_more_costs_little(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Less of all series at a time, as at full size.
    monkeypatch.setattr(assemble_batches, "BATCH_VALUES", 1 << 12)
    monkeypatch.setattr(union, "MOST_WAITING", 1 << 12)
    traced(store, 1)  # imports, and memory that is used again
    few, many = traced(store, 2), traced(store, BLOCKS)
    kept, most = (
        (after - before) / (SERIES * (BLOCKS - 2)) for before, after in zip(few, many, strict=True)
    )
    assert kept < 24
    assert most < 40


def test_a_plan_says_what_it_costs(store: Path) -> None:
    """Or the cache of plans would hold more than it is meant to, or next to nothing."""
    matchers = [Matcher("__name__", MatchOp.EQUAL, "requests")]
    with tsdb.open(store, read_only=True) as database:
        database.select(matchers, 0, STEP_MS)  # what it reads of blocks is there
        database.select(matchers, 0, BLOCKS * SAMPLES * STEP_MS - 1)
        plans = database._reader.caches.plans
        plans.clear()
        gc.collect()
        tracemalloc.start()
        try:
            found = database.select(matchers, 0, BLOCKS * SAMPLES * STEP_MS - 1)
            assert found.batches is not None
            assert sum(len(ref.load().values) for ref in found.batches) == SERIES * BLOCKS * SAMPLES
            database.clear_pages()
            del found
            gc.collect()
            costs, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert 0.5 * costs < plans.stats().bytes < 2 * costs
