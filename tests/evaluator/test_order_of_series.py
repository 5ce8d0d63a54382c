"""Aggregations over series give the same bits however the series are ordered, cut and read."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from novaql import evaluate, tsdb
from novaql.evaluator.kernels.dispatch import KERNELS
from novaql.evaluator.pipeline import batch_run
from novaql.inputs.tables.table_source import TableSource
from novaql.options import QueryOptions
from novaql.tsdb.model.labels import Ints, SeriesTable
from novaql.tsdb.model.samples import Batch, Floats
from novaql.tsdb.model.series_batch import SeriesBatch
from novaql.tsdb.model.source import Source
from novaql.tsdb.read import batches
from novaql.tsdb.runtime import parallel
from novaql.tsdb.runtime.compiled import Mode, available

SERIES, SAMPLES = 96, 80
OPTIONS = QueryOptions(300_000, 1_180_000, 20_000)
QUERIES = tuple(
    f"{op} by (job) ({operand})"
    for op in ("sum", "avg", "stddev", "stdvar")
    for operand in ("m", "rate(m[5m])", "m - 1e9", "max_over_time(m[1m])")
)
MODES = [Mode.OFF, *([Mode.ON] if available() else [])]


def samples() -> Floats:
    """Sums that cancel, sizes that differ by 10^30, and small changes beside a large offset."""
    random = np.random.default_rng(11)
    values = random.normal(size=(SERIES, SAMPLES))
    values[::3] *= 10.0 ** random.integers(-15, 15, (SERIES // 3, 1))
    values[1::3] += 1e9
    values[2:8:3] = [[1e100], [-1e100]]
    return values


def labels(order: list[int]) -> SeriesTable:
    return SeriesTable.from_dicts(
        [{"__name__": "m", "job": f"j{i % 4}", "i": f"{i:03}"} for i in order]
    )


def apart(rows: Ints, times: Ints, values: Floats) -> SeriesBatch:
    offsets = np.arange(len(rows) + 1) * len(times)
    return SeriesBatch.ragged(rows, np.tile(times, len(rows)), values.ravel(), offsets)


def in_parts(order: list[int], parts: int) -> TableSource:
    """The same series in this order, in so many batches, every other one without shared grids."""
    values, times = samples()[order], np.arange(SAMPLES, dtype=np.int64) * 15_000
    batches = [
        (SeriesBatch.regular if number % 2 else apart)(rows, times, values[rows])
        for number, rows in enumerate(np.array_split(np.arange(len(order)), parts))
    ]
    return TableSource.from_batches(labels(order), batches)


def bits(source: Source) -> dict[str, dict[str, bytes]]:
    """By query and labels: the answer."""
    found = {}
    for expr in QUERIES:
        result = evaluate(expr, source, OPTIONS)
        rows = zip(result.series.dicts(), result.values, strict=True)
        found[expr] = {str(sorted(labels.items())): row.tobytes() for labels, row in rows}
        assert len(found[expr]) == 4
    return found


@contextmanager
def threads(count: int) -> Iterator[None]:
    with (
        ThreadPoolExecutor(count) as pool,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(batch_run, "WORTH_A_THREAD", 1)
        patch.setattr(batch_run, "ONCE_WORTH_A_THREAD", 1)
        patch.setattr(batch_run, "EDGES_WORTH_A_THREAD", 1)
        patch.setattr(parallel, "_cores", lambda: count)
        patch.setattr(parallel, "_helpers", lambda _: pool)
        yield


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_order_parts_and_threads(mode: Mode) -> None:
    with KERNELS.forced(Mode.OFF):
        expected = bits(in_parts(list(range(SERIES)), 1))
    random = np.random.default_rng(3)
    with KERNELS.forced(mode):
        KERNELS.prepare()
        for parts in (1, 2, 3, 5, 8):
            for count in (1, 2):
                with threads(count):
                    order = random.permutation(SERIES).tolist()
                    assert bits(in_parts(order, parts)) == expected


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_batch_sizes_and_compaction(mode: Mode, tmp_path: Path) -> None:
    values = samples()
    rows = np.arange(SERIES, dtype=np.int64)
    with (
        KERNELS.forced(mode),
        tsdb.open(tmp_path / "store", compaction=False) as database,
        pytest.MonkeyPatch.context() as patch,
    ):
        KERNELS.prepare()
        for begin in range(0, SAMPLES, 20):
            part = values[:, begin : begin + 20]
            times = np.arange(begin, begin + 20, dtype=np.int64) * 15_000
            database.append(
                Batch(
                    labels(list(range(SERIES))),
                    np.repeat(rows, 20),
                    np.tile(times, SERIES),
                    part.ravel(),
                )
            )
            database.flush()
        found = []
        for compacted in (False, True):
            if compacted:
                database.compact()
            for size in (batches.BATCH_VALUES, 1 << 9):
                patch.setattr(batches, "BATCH_VALUES", size)
                found.append(bits(database))
    assert all(one == found[0] for one in found[1:])


@pytest.mark.skipif(not available(), reason="needs numba")
@pytest.mark.parametrize("operand", ["m", "round(m)", "rate(m[5m])", "m > 0"])
@pytest.mark.parametrize(
    "call", ["topk by (job) (2, {})", "bottomk(3, {})", "limitk by (job) (4, {})"]
)
def test_chosen_rows_are_those_of_a_matrix(call: str, operand: str) -> None:
    """Rows are selected batch by batch on several threads, or all at once."""
    source, text = in_parts(list(range(SERIES)), 1), call.format(operand)
    with KERNELS.forced(Mode.OFF):
        expected = evaluate(text, source, OPTIONS)
    assert len(expected) > 3
    with KERNELS.forced(Mode.ON):
        KERNELS.prepare()
        for parts in (1, 3, 5):
            for count in (1, 2):
                with threads(count):
                    assert evaluate(text, in_parts(list(range(SERIES)), parts), OPTIONS) == expected


def test_runs_of_digits_of_any_length_are_sorted() -> None:
    """Python converts at most 4300 digits to a number."""
    texts = ["9" * 6000, "1" * 6000, "3"]
    table = SeriesTable.from_dicts([{"__name__": "m", "n": text} for text in texts])
    source = TableSource(Batch(table, np.arange(3), np.full(3, 600_000), np.ones(3)))
    found = evaluate('sort_by_label(m, "n")', source, QueryOptions(600_000, 600_000))
    assert [labels["n"] for labels in found.series.dicts()] == [texts[2], texts[1], texts[0]]
