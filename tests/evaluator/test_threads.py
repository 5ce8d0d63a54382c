"""Tiles worked off on threads give what one thread gives, bit for bit."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pytest

from novaql.api import Cancellation, evaluate
from novaql.errors import QueryCancelled
from novaql.evaluator import fragment
from novaql.evaluator.context import Context
from novaql.evaluator.fragment import Block, Fragment, blocks
from novaql.evaluator.kernels.dispatch import Mode, forced, prepare_all
from novaql.evaluator.steps import Steps
from novaql.inputs.table_source import TableSource
from novaql.options import QueryOptions
from tsdb.labels import Ints, SeriesTable
from tsdb.selection import TileRef
from tsdb.tile import Tile

pytest.importorskip("numba", reason="compiled kernels need numba: pip install 'novaql[fast]'")

SAMPLES, TILES, TALL = 120, 24, 8
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


def tile(number: int) -> Tile:
    """Tiles of both layouts, with resets, NaN, and magnitudes that need compensation."""
    random = np.random.default_rng(number)
    values = np.cumsum(random.integers(0, 9, (TALL, SAMPLES)), axis=1).astype(np.float64)
    values[:, 60:] -= values[:, 60:61]
    values *= 10.0 ** random.integers(-9, 9, (TALL, 1))
    rows = np.arange(TALL, dtype=np.int64) + number * TALL
    times = np.arange(SAMPLES, dtype=np.int64) * 15_000 + number
    regular = Tile(rows, times, values)
    return regular if number % 2 else regular.ragged()


@pytest.fixture
def source() -> TableSource:
    table = SeriesTable.from_dicts(
        [
            {"__name__": "plain" if i % 5 == 0 else "m_total", "job": f"j{i % 3}", "i": str(i)}
            for i in range(TILES * TALL)
        ]
    )
    return TableSource.from_tiles(table, [tile(number) for number in range(TILES)])


@pytest.fixture(autouse=True)
def compiled(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(fragment, "TASK_SAMPLES", 2000)
    with forced(Mode.ON):
        prepare_all()
        yield


@pytest.mark.parametrize("expr", QUERIES)
def test_as_on_one_thread(expr: str, source: TableSource, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fragment, "_cores", lambda: 1)
    alone = evaluate(expr, source, OPTIONS)
    monkeypatch.setattr(fragment, "_cores", lambda: 3)
    for _ in range(3):
        together = evaluate(expr, source, OPTIONS)

        assert together.series.dicts() == alone.series.dicts()
        np.testing.assert_array_equal(together.values, alone.values)
        assert together.infos == alone.infos
        assert together.warnings == alone.warnings


def of_loads(load: Callable[[int], Tile]) -> Fragment:
    """A fragment that answers each series' last value."""

    def last(part: Tile) -> Block:
        return Block(part.rows, part.ragged().values.reshape(TALL, SAMPLES)[:, -1:], None)

    series = SeriesTable.from_dicts([{"i": str(i)} for i in range(TILES * TALL)])
    tiles = [TileRef(partial(load, number), SAMPLES * TALL) for number in range(TILES)]
    return Fragment(series, Steps.between(0, 0, 0), tiles, last, (), False, compiled=True)


def run(found: Fragment, cancellation: Cancellation | None = None) -> list[Ints]:
    empty = TableSource.from_tiles(SeriesTable.unlabelled(0), [])
    context = Context(empty, QueryOptions(0, 0), cancellation)
    return list(blocks(found, context, lambda block: block.rows))


def test_results_come_in_the_order_of_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fragment, "_cores", lambda: 3)
    names: set[str] = set()
    first_may_go_on = threading.Event()

    def load(number: int) -> Tile:
        names.add(threading.current_thread().name)
        if number == 0:
            assert first_may_go_on.wait(30)  # until another task has begun
        elif number > 3:
            first_may_go_on.set()
        return tile(number)

    rows = np.concatenate(run(of_loads(load)))

    np.testing.assert_array_equal(rows, np.arange(TILES * TALL))
    assert all(name.startswith("novaql-tile") for name in names)


def test_a_tile_that_cannot_be_read_ends_the_query(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fragment, "_cores", lambda: 2)
    loaded: list[int] = []

    def load(number: int) -> Tile:
        loaded.append(number)
        if number == 3:
            raise OSError("disk on fire")
        return tile(number)

    with pytest.raises(OSError, match="disk on fire"):
        run(of_loads(load))
    assert len(loaded) < TILES


def test_a_cancelled_query_stops_on_its_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fragment, "_cores", lambda: 2)
    cancellation = Cancellation()
    loaded: list[int] = []

    def load(number: int) -> Tile:
        loaded.append(number)
        if number == 3:
            cancellation.cancel()
        return tile(number)

    with pytest.raises(QueryCancelled):
        run(of_loads(load), cancellation)
    assert len(loaded) < TILES
