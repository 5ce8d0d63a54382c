"""Batches worked off on several threads give what one thread gives, bit for bit."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest

from novaql import Cancellation, evaluate
from novaql.errors import QueryCancelled
from novaql.evaluator.context import Context
from novaql.evaluator.kernels.dispatch import KERNELS
from novaql.evaluator.kernels.strips import StripRollup, WindowSpec, newest
from novaql.evaluator.pipeline import batch_run
from novaql.evaluator.pipeline.block import Block
from novaql.evaluator.pipeline.model import CompiledRollup, Pipeline
from novaql.evaluator.pipeline.view_run import blocks
from novaql.evaluator.steps import Steps
from novaql.inputs.tables.table_source import TableSource
from novaql.options import QueryOptions
from novaql.tsdb.model.batch_views import SeriesView
from novaql.tsdb.model.labels import Ints, SeriesTable
from novaql.tsdb.model.series_batch import SeriesBatch, SeriesBatchRef
from novaql.tsdb.runtime import parallel as ordered_parallel
from novaql.tsdb.runtime.compiled import Mode

pytest.importorskip("numba", reason="compiled kernels need numba: pip install 'novaql[fast]'")

SAMPLES, BATCHES, TALL = 120, 24, 8
OPTIONS = QueryOptions(600_000, 1_790_000, 10_000)

QUERIES = (
    "sum(rate(m_total[5m]))",
    "sum by (job) (rate(m_total[5m]))",
    "avg by (job) (max_over_time(m_total[10m]))",
    "max(m_total) - min(m_total)",
    "m_total * 2",
    "count by (job) (last_over_time(m_total[1m]))",
    "quantile_over_time(0.9, m_total[10m])",
    "stddev(predict_linear(m_total[10m], 60))",
    "absent_over_time(m_total[1m])",
    "rate(plain[5m])",
)


def batch(number: int) -> SeriesBatch:
    """Series of one grid, or of a grid each, with resets, NaN, and very different magnitudes."""
    random = np.random.default_rng(number)
    values = np.cumsum(random.integers(0, 9, (TALL, SAMPLES)), axis=1).astype(np.float64)
    values[:, 60:] -= values[:, 60:61]
    values *= 10.0 ** random.integers(-9, 9, (TALL, 1))
    rows = np.arange(TALL, dtype=np.int64) + number * TALL
    times = np.arange(SAMPLES, dtype=np.int64) * 15_000 + number
    if number % 2:
        return SeriesBatch.regular(rows, times, values)
    offsets = np.arange(TALL + 1) * SAMPLES
    return SeriesBatch.ragged(rows, np.tile(times, TALL), values.ravel(), offsets)


@pytest.fixture(params=[2, BATCHES])
def source(request: pytest.FixtureRequest) -> TableSource:
    """Few batches are worked off in parts."""
    batches: int = request.param
    table = SeriesTable.from_dicts(
        [
            {"__name__": "plain" if i % 5 == 0 else "m_total", "job": f"j{i % 3}", "i": str(i)}
            for i in range(batches * TALL)
        ]
    )
    return TableSource.from_batches(table, [batch(number) for number in range(batches)])


@pytest.fixture(autouse=True)
def compiled(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(batch_run, "WORTH_A_THREAD", 1)
    monkeypatch.setattr(batch_run, "ONCE_WORTH_A_THREAD", 1)
    monkeypatch.setattr(batch_run, "EDGES_WORTH_A_THREAD", 1)
    with KERNELS.forced(Mode.ON):
        KERNELS.prepare()
        yield


@pytest.fixture
def three_cores(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two threads beside the query's own, whatever the machine has."""
    with ThreadPoolExecutor(2, thread_name_prefix="novaql-batch") as pool:
        monkeypatch.setattr(ordered_parallel, "_cores", lambda: 3)
        monkeypatch.setattr(ordered_parallel, "_helpers", lambda _: pool)
        yield


@pytest.mark.usefixtures("three_cores")
@pytest.mark.parametrize("expr", QUERIES)
def test_as_on_one_thread(expr: str, source: TableSource, monkeypatch: pytest.MonkeyPatch) -> None:
    together = [evaluate(expr, source, OPTIONS) for _ in range(3)]
    monkeypatch.setattr(ordered_parallel, "_cores", lambda: 1)
    alone = evaluate(expr, source, OPTIONS)

    for found in together:
        assert found.series.dicts() == alone.series.dicts()
        np.testing.assert_array_equal(found.values, alone.values)
        assert found.infos == alone.infos
        assert found.warnings == alone.warnings


@pytest.mark.parametrize("expr", QUERIES)
def test_as_by_numpy(expr: str, source: TableSource) -> None:
    compiled = evaluate(expr, source, OPTIONS)
    with KERNELS.forced(Mode.OFF):
        plain = evaluate(expr, source, OPTIONS)

    assert compiled.series.dicts() == plain.series.dicts()
    np.testing.assert_allclose(compiled.values, plain.values, rtol=1e-11)
    assert compiled.infos == plain.infos
    assert compiled.warnings == plain.warnings


def run(
    load: Callable[[int], SeriesBatch], cancellation: Cancellation | None = None
) -> tuple[list[Ints], set[str]]:
    """Rows of a pipeline's blocks in their order, and the threads that made them."""
    series = SeriesTable.from_dicts([{"i": str(i)} for i in range(BATCHES * TALL)])
    refs = [SeriesBatchRef(partial(load, number), SAMPLES * TALL) for number in range(BATCHES)]
    ends = np.array([SAMPLES * 15_000], np.int64)
    asked = WindowSpec(ends, SAMPLES * 15_000, SAMPLES * 15_000, ends)
    leaf = CompiledRollup(refs, asked, StripRollup(newest))

    def never(_: SeriesView) -> Block:
        raise AssertionError("batches are there")

    steps = Steps.between(0, 0, 0)
    pipeline = Pipeline(series, steps, [], never, nameless=False, compiled=leaf)
    empty = TableSource.from_batches(SeriesTable.unlabelled(0), [])
    context = Context(empty, QueryOptions(0, 0), cancellation)
    names: set[str] = set()

    def work(block: Block) -> Ints:
        names.add(threading.current_thread().name)
        return block.rows

    return list(blocks(pipeline, context, work)), names


@pytest.mark.usefixtures("three_cores")
def test_results_come_in_the_order_of_batches() -> None:
    first_may_go_on = threading.Event()

    def load(number: int) -> SeriesBatch:
        if number == 0:
            assert first_may_go_on.wait(30)  # until another thread has taken a batch
        else:
            first_may_go_on.set()
        return batch(number)

    rows, names = run(load)

    np.testing.assert_array_equal(np.concatenate(rows), np.arange(BATCHES * TALL))
    assert any(name.startswith("novaql-batch") for name in names)


@pytest.mark.usefixtures("three_cores")
def test_a_query_does_not_wait_for_busy_threads() -> None:
    let_go = threading.Event()
    for _ in range(2):
        ordered_parallel._helpers(0).submit(let_go.wait, 30)
    try:
        rows, names = run(lambda number: batch(number))
    finally:
        let_go.set()

    assert len(rows) == BATCHES
    assert names == {threading.current_thread().name}


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads have no priority to look at")
def test_helpers_have_the_priority_of_the_query(monkeypatch: pytest.MonkeyPatch) -> None:
    """Large queries of the server yield to small ones; so do the threads that help them."""
    monkeypatch.setattr(ordered_parallel, "_cores", lambda: 2)
    seen: dict[str, set[int]] = {}
    met = threading.Barrier(2)

    def work(_: int) -> int:
        met.wait(10)
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    def query(name: str, priority: int) -> None:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), priority)
        found: list[int] = []
        ordered_parallel.ordered_parallel(2, work, found.append, alone=False)
        seen[name] = set(found)

    usual = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    for name, priority in (("small", usual), ("large", usual + 3)):
        thread = threading.Thread(target=query, args=(name, priority))
        thread.start()
        thread.join()
    assert seen == {"small": {usual}, "large": {usual + 3}}


def test_nobody_helps_while_queries_are_on_all_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """A query begins alone, with help; then another one comes, and the helper goes."""
    monkeypatch.setattr(ordered_parallel, "_cores", lambda: 2)
    two_at_work, other_is_there = threading.Barrier(2), threading.Event()
    first_has_ended = threading.Event()
    names: dict[str, list[str]] = {"first": [], "other": []}

    def first(number: int) -> int:
        names["first"].append(threading.current_thread().name)
        if number < 2:
            two_at_work.wait(30)
            assert other_is_there.wait(30)
        return number

    def other(number: int) -> int:
        names["other"].append(threading.current_thread().name)
        other_is_there.set()
        assert first_has_ended.wait(30)
        return number

    def query(work: Callable[[int], int], found: list[int]) -> None:
        ordered_parallel.ordered_parallel(20, work, found.append, alone=False)

    found: dict[str, list[int]] = {"first": [], "other": []}
    one = threading.Thread(target=query, args=(first, found["first"]), name="one")
    two = threading.Thread(target=query, args=(other, found["other"]), name="two")
    one.start()
    while len(names["first"]) < 2:  # one has help
        assert one.is_alive()
        time.sleep(0.001)
    two.start()
    one.join()
    first_has_ended.set()
    two.join()

    assert found == {"first": list(range(20)), "other": list(range(20))}
    assert sorted(name[:10] for name in names["first"][:2]) == ["novaql-bat", "one"]
    assert names["first"][2:] == ["one"] * 18
    assert names["other"][0] == "two"
    assert ordered_parallel._active_threads.count == 0


@pytest.mark.usefixtures("three_cores")
def test_a_batch_that_cannot_be_read_ends_the_query() -> None:
    loaded: list[int] = []

    def load(number: int) -> SeriesBatch:
        loaded.append(number)
        if number == 3:
            raise OSError("disk on fire")
        return batch(number)

    with pytest.raises(OSError, match="disk on fire"):
        run(load)
    assert len(loaded) < BATCHES


@pytest.mark.usefixtures("three_cores")
def test_a_cancelled_query_stops_on_its_threads() -> None:
    cancellation = Cancellation()
    loaded: list[int] = []

    def load(number: int) -> SeriesBatch:
        loaded.append(number)
        if number == 3:
            cancellation.cancel()
        return batch(number)

    with pytest.raises(QueryCancelled):
        run(load, cancellation)
    assert len(loaded) < BATCHES


def wait_until(it_is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not it_is_so():
        assert time.monotonic() < until
        time.sleep(0.001)


def test_who_has_no_piece_left_helps_with_pieces_of_a_piece(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ordered_parallel, "_cores", lambda: 2)
    both, others_done = threading.Barrier(2), threading.Event()
    pieces: list[tuple[str, bool]] = []

    def piece(number: int) -> int:
        assert ordered_parallel._active_threads.count <= 2
        pieces.append((threading.current_thread().name, others_done.is_set()))
        if number == 3:
            others_done.set()
            wait_until(lambda: ordered_parallel._active_threads.count == 1)
        if number > 3:
            wait_until(lambda: len({name for name, late in pieces if late}) == 2)
        return number

    def work(_: int) -> list[int]:
        done: list[int] = []
        both.wait(30)
        if threading.current_thread() is threading.main_thread():  # the helper must be free later
            ordered_parallel.ordered_parallel(40, piece, done.append, alone=False)
        else:
            assert others_done.wait(30)
        return done

    found: list[list[int]] = []
    ordered_parallel.ordered_parallel(2, work, found.append, alone=False)

    assert sorted(found) == [[], list(range(40))]
    assert len({name for name, late in pieces if not late}) == 1
    assert len({name for name, late in pieces if late}) == 2
    assert ordered_parallel._active_threads.count == 0
