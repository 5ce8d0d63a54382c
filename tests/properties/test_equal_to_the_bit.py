"""Answers to the suite's queries are equal to the bit, however they are computed.

The same samples lie in one part or in eight, cut by time or by turns; are compacted or not; are
read in batches of two sizes, by one thread or two, with compiled kernels or NumPy's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from novaql import Result, evaluate, tsdb
from tests.support.execution.suite_queries import END_MS, QUERIES, START_MS, data, part_of
from tests.support.execution.switches import batch_size, kernels, threads

pytest.importorskip("numba", reason="compiled kernels need numba: pip install 'novaql[fast]'")

SMALL = 400
"""Samples of a batch: a bit more than a series has."""


@dataclass(frozen=True, slots=True)
class Execution:
    """How a query is computed.

    parts      blocks, the newest of which is in the head
    by_turns   each part has every n-th sample of each series, so parts overlap; else a stretch
    compacted  "yes": the parts are one block; "rollups": with rollups
    batch      samples of a batch; None: the usual size
    permuted   series arrive in another order
    """

    parts: int = 1
    by_turns: bool = False
    compacted: str = "no"
    threads: int = 1
    batch: int | None = None
    compiled: bool = True
    permuted: bool = False

    def __str__(self) -> str:
        own = [f"{f.name}={getattr(self, f.name)}" for f in fields(self) if f.name in self.axes()]
        return ",".join(own) or "plain"

    def axes(self) -> set[str]:
        """In what it differs from the plain execution."""
        return {f.name for f in fields(self) if getattr(self, f.name) != f.default}


PLAIN = Execution()
ALONE = [
    *(Execution(parts=parts) for parts in (2, 4, 8)),
    *(Execution(parts=parts, by_turns=True) for parts in (2, 8)),
    Execution(parts=4, compacted="yes"),
    Execution(parts=8, by_turns=True, compacted="yes"),
    Execution(parts=4, compacted="rollups"),
    Execution(threads=2),
    Execution(batch=SMALL),
    Execution(compiled=False),
    Execution(permuted=True),
]
TOGETHER = [
    Execution(*values)
    for values in product(
        (1, 2, 4, 8), (False, True), ("no", "yes"), (1, 2), (None, SMALL), (True, False)
    )
    if not (values[0] == 1 and values[1])
]

DIFFERS: dict[str, set[str]] = {
    # Compiled kernels add the samples of a window one by one, NumPy's put it together from blocks.
    "avg-over-time": {"compiled"},
    "predict-linear": {"compiled"},
    "deriv": {"compiled"},
}
"""By query: what changes its last bits today."""


Store = Callable[[Execution], tsdb.Database]
Bits = tuple[list[dict[str, str]], bytes, bytes]


@cache
def samples() -> tsdb.Batch:
    return data()


@pytest.fixture(scope="module")
def store(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[Execution], tsdb.Database]]:
    """A store for each kind of parts. Stores keep plans, so each size of batches has its own."""
    opened: dict[Execution, tsdb.Database] = {}

    def made(execution: Execution) -> tsdb.Database:
        key = replace(execution, threads=1, compiled=True)
        if key not in opened:
            opened[key] = filled(key, tmp_path_factory.mktemp("store"))
        return opened[key]

    yield made
    for database in opened.values():
        database.close()


def filled(execution: Execution, folder: Path) -> tsdb.Database:
    batch = permuted(samples()) if execution.permuted else samples()
    rollups = (60_000, 300_000) if execution.compacted == "rollups" else ()
    database = tsdb.open(folder, sync="os", compaction=False, rollups_ms=rollups)
    order = np.argsort(batch.timestamps, kind="stable")
    for number in range(execution.parts):
        if number:
            database.flush()
        if execution.by_turns:
            taken = np.arange(number, len(order), execution.parts)
        else:
            taken = np.sort(np.array_split(order, execution.parts)[number])
        database.append(part_of(batch, taken))
    if execution.compacted != "no":
        database.compact()
        assert database.stats().blocks < max(2, execution.parts)
    return database


def permuted(batch: tsdb.Batch) -> tsdb.Batch:
    order = np.random.default_rng(1).permutation(batch.series.rows)
    rows = np.argsort(order)[batch.series_index]
    return replace(batch, series=batch.series.take(order), series_index=rows)


def answer(query: str, execution: Execution, database: tsdb.Database) -> Result:
    text, options = QUERIES[query]
    with (
        kernels(compiled=execution.compiled),
        threads(execution.threads),
        batch_size(execution.batch),
    ):
        return evaluate(text, database, options)


def bits(result: Result) -> Bits:
    """Series in order of their labels, which cells hold a value, and values with only one NaN."""
    labels = result.series.dicts()
    order = sorted(range(len(labels)), key=lambda row: sorted(labels[row].items()))
    valid = np.ones(result.values.shape, bool) if result.valid is None else result.valid
    values = np.where(valid, np.where(np.isnan(result.values), np.nan, result.values), 0.0)
    return [labels[row] for row in order], valid[order].tobytes(), values[order].tobytes()


@dataclass(frozen=True, slots=True)
class Plain:
    """The answer to a query by the plain execution."""

    bits: Bits
    annotations: tuple[object, object]


PlainAnswer = Callable[[str], Plain]


@pytest.fixture(scope="module")
def plain_answer(store: Store) -> PlainAnswer:
    """The answers with which all others are compared, each computed once."""

    @cache
    def made(query: str) -> Plain:
        plain = answer(query, PLAIN, store(PLAIN))
        assert len(plain) > 0
        return Plain(bits(plain), (plain.warnings, plain.infos))

    return made


def cases(executions: list[Execution]) -> list[object]:
    return [
        pytest.param(
            query,
            execution,
            id=f"{query}-{execution}",
            marks=[
                pytest.mark.xfail(strict=False, reason=f"{', '.join(sorted(known))} changes bits")
            ]
            if (known := DIFFERS.get(query, set()) & execution.axes())
            else [],
        )
        for execution in executions
        for query in QUERIES
    ]


@pytest.mark.parametrize(("query", "execution"), cases(ALONE))
def test_one_difference(
    query: str, execution: Execution, store: Store, plain_answer: PlainAnswer
) -> None:
    plain, other = plain_answer(query), answer(query, execution, store(execution))

    assert bits(other) == plain.bits
    assert (other.warnings, other.infos) == plain.annotations


@pytest.mark.slow
def test_the_switches_switch(store: Store) -> None:
    """Or the others would compare equal executions."""
    matchers = [tsdb.Matcher("__name__", tsdb.MatchOp.EQUAL, "http_requests_total")]

    def batches(execution: Execution) -> int:
        with kernels(compiled=True), batch_size(execution.batch):
            found = store(execution).select(matchers, *span)
        assert found.batches is not None
        return len(found.batches)

    span = (START_MS, END_MS)
    assert batches(PLAIN) == 1
    assert batches(Execution(batch=SMALL)) > 20
    for execution in ALONE:
        stats = store(execution).stats()
        parts = stats.blocks + (stats.head_samples > 0)
        assert parts == (1 if execution.compacted != "no" else execution.parts)


@pytest.mark.slow
@pytest.mark.parametrize("execution", TOGETHER, ids=str)
def test_all_differences(execution: Execution, store: Store, plain_answer: PlainAnswer) -> None:
    wrong = [
        query
        for query in QUERIES
        if not DIFFERS.get(query, set()) & execution.axes()
        and bits(answer(query, execution, store(execution))) != plain_answer(query).bits
    ]
    assert wrong == []
