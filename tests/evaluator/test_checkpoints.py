"""A query stops soon after it is cancelled or out of time, also inside a large batch."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from novaql import Cancellation, evaluate, tsdb
from novaql.errors import LimitExceeded, QueryCancelled, QueryTimeout
from novaql.evaluator.kernels.dispatch import KERNELS
from novaql.inputs.tables.table_source import TableSource
from novaql.options import Limits, QueryOptions
from novaql.tsdb import Database
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.runtime.compiled import Mode
from tests.support.execution.switches import stretches


@pytest.fixture(scope="module")
def heavy() -> TableSource:
    """30 series of 3000 samples a second apart, in one batch."""
    series, samples = 30, 3000
    table = SeriesTable.from_dicts([{"__name__": "m", "i": str(i)} for i in range(series)])
    return TableSource(
        Batch(
            table,
            np.repeat(np.arange(series), samples),
            np.tile(np.arange(samples) * 1000, series),
            np.random.default_rng(1).normal(size=series * samples),
        )
    )


@pytest.fixture(autouse=True)
def plain_kernels() -> Iterator[None]:
    """Compiled kernels might be done before anyone can stop them."""
    with KERNELS.forced(Mode.OFF):
        yield


HEAVY = "sum(quantile_over_time(0.9, m[50m]))"
HEAVY_OPTIONS = QueryOptions(0, 3_000_000, 1000)


def test_cancelled_inside_a_tile(heavy: TableSource) -> None:
    cancellation = Cancellation()
    threading.Timer(0.2, cancellation.cancel).start()
    began = time.thread_time()  # work, not waiting for a busy machine
    with pytest.raises(QueryCancelled):
        evaluate(HEAVY, heavy, HEAVY_OPTIONS, cancellation=cancellation)
    # Not a measure of speed: all of it takes many times as long.
    assert time.thread_time() - began < 5


def test_timeout_inside_a_tile(heavy: TableSource) -> None:
    options = QueryOptions(0, 3_000_000, 1000, timeout_s=0.2)
    with pytest.raises(QueryTimeout, match=r"0\.2 s"):
        evaluate(HEAVY, heavy, options)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(samples=1000), "90000 samples, the limit is 1000"),
        (Limits(series=10), "30 series, the limit is 10"),
        (Limits(points=100), "3001 points per series, the limit is 100"),
        (Limits(bytes=1000), "the limit is 0 MiB"),
    ],
)
def test_limits(heavy: TableSource, limits: Limits, message: str) -> None:
    options = QueryOptions(0, 3_000_000, 1000, limits=limits)
    with pytest.raises(LimitExceeded, match=message):
        evaluate("rate(m[1h])", heavy, options)


def test_steps_that_would_not_fit_in_memory(heavy: TableSource) -> None:
    options = QueryOptions(0, 10**13, 1)
    with pytest.raises(LimitExceeded, match=r"10000000000001 steps need 76293945 MiB, .* longer"):
        evaluate("m", heavy, options)


@pytest.mark.slow
def test_pieces_give_the_same_answer(heavy: TableSource) -> None:
    options = QueryOptions(0, 3_000_000, 60_000)
    whole = evaluate("avg_over_time(m[10m])", heavy, options)
    with stretches("cost", 1):
        pieces = evaluate("avg_over_time(m[10m])", heavy, options)
    np.testing.assert_array_equal(whole.values, pieces.values)


WIDE = 2000
LABELS_ONLY = {
    "matchers": "m{" + ",".join(f's!~".*{n}x.*"' for n in range(3000)) + "}",
    "alternatives": "m{" + " or ".join(f's=~".*{n}x.*"' for n in range(3000)) + "}",
    "patterns": "m{" + ",".join(rf's!~"\\pL{{80}}{n}"' for n in range(500)) + "}",
    "sort_by_label": "sort_by_label(m, " + ", ".join(f'"s{n}"' for n in range(9000)) + ', "s")',
    "label_set": "label_set(m, " + ", ".join(f'"a{n}", "x"' for n in range(9000)) + ")",
    "label_copy": "label_copy(m, " + ", ".join(f'"s", "a{n}"' for n in range(9000)) + ")",
    "labels_equal": "labels_equal(m, " + ", ".join(['"s"'] * 9000) + ")",
    "label_lowercase": "label_lowercase(m, " + ", ".join(['"s"'] * 9000) + ")",
}


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """2000 series of one sample, whose labels are all different."""
    table = SeriesTable.from_dicts([{"__name__": "m", "s": f"{'z' * 50}{n}"} for n in range(WIDE)])
    with tsdb.open(tmp_path_factory.mktemp("wide")) as store:
        store.append(Batch(table, np.arange(WIDE), np.zeros(WIDE, np.int64), np.ones(WIDE)))
        yield store


@pytest.mark.slow
@pytest.mark.parametrize("name", LABELS_ONLY)
def test_work_on_labels_alone_is_stopped(wide: Database, name: str) -> None:
    """Such work reads no samples, and a query of 100 000 words could go on for hours."""
    cancellation = Counted(allowed=20)
    with pytest.raises(QueryCancelled):
        evaluate(LABELS_ONLY[name], wide, QueryOptions(0, 0, 0), cancellation=cancellation)
    assert cancellation.checks == 21


class Counted(Cancellation):
    """Cancels at a checkpoint with a number, however long the work takes until then."""

    def __init__(self, allowed: int) -> None:
        super().__init__()
        self.allowed, self.checks = allowed, 0

    @property
    def cancelled(self) -> bool:
        self.checks += 1
        return self.checks > self.allowed
