"""Matching through an index against matching row by row, in the head and in a block."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from novaql import tsdb
from novaql.tsdb import Batch, Matcher, MatchOp, SeriesTable
from novaql.tsdb.index.match import FEW_ROWS, IndexedColumn, LabelIndex, label_table, match_rows
from novaql.tsdb.index.postings import SCANS, GrowingPostings, Postings
from novaql.tsdb.model.labels import Codes, Ints
from novaql.tsdb.model.matchers import select_rows

matchers = st.lists(
    st.builds(
        Matcher,
        st.sampled_from(["__name__", "pod", "zone", "nobody"]),
        st.sampled_from(list(MatchOp)),
        st.sampled_from(
            [
                "",
                "m1",
                "m1|m3",
                "m.",
                "pod-1.*",
                "pod-4999",
                "pod-[0-9]+7",
                "z|",
                ".+",
                "zz",
                "pod-",
                "pod-1|pod-17|pod-4998|nothing",
                "|pod-3",
            ]
        ),
    ),
    max_size=3,
)


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[tsdb.Database]]:
    """5000 series, above the size from which blocks use postings; in a head and in a block."""
    table = SeriesTable.from_dicts(
        [
            {"__name__": f"m{i % 4}", "pod": f"pod-{i}", "zone": "z" if i % 3 else ""}
            for i in range(5000)
        ]
    )
    on_disk = tsdb.open(tmp_path_factory.mktemp("match"), sync="os")
    made = [tsdb.memory(), on_disk]
    for one in made:
        one.append(Batch(table, np.arange(5000), np.zeros(5000, np.int64), np.arange(5000.0)))
        one.flush()
    yield made
    on_disk.close()


@pytest.mark.slow
@given(matchers, st.booleans())
@settings(max_examples=80, deadline=None)
def test_index_agrees_with_rows(
    databases: list[tsdb.Database], some: list[Matcher], flushed: bool
) -> None:
    (part,) = databases[flushed]._state.parts()
    index = part.index()
    everything = label_table(index, np.arange(index.rows))
    rows = match_rows(index, some)
    assert rows.tolist() == np.flatnonzero(select_rows(everything, some)).tolist()


@given(st.lists(st.integers(0, 5), max_size=40))
def test_postings_list_every_row_once(codes: list[int]) -> None:
    postings = Postings.build(np.array(codes, np.int32), 6)
    for code in range(6):
        expected = [row for row, found in enumerate(codes) if found == code]
        assert postings.rows_of(code).tolist() == expected
        assert postings.count(code) == len(expected)


class Watched:
    """An index that notes how many rows are looked at."""

    def __init__(self, index: LabelIndex) -> None:
        self._index = index
        self.rows = index.rows
        self.label_names = index.label_names
        self.looked_at = 0

    def column(self, name: str) -> WatchedColumn | None:
        column = self._index.column(name)
        return None if column is None else WatchedColumn(column, self)


class WatchedColumn:
    def __init__(self, column: IndexedColumn, watched: Watched) -> None:
        self._column, self._watched = column, watched

    def __getattr__(self, name: str) -> Any:
        return getattr(self._column, name)

    @property
    def codes(self) -> Codes:
        self._watched.looked_at += self._watched.rows
        return self._column.codes

    def codes_of(self, rows: Ints) -> Codes:
        self._watched.looked_at += len(rows)
        return self._column.codes_of(rows)

    def rows_of(self, code: int) -> Ints:
        rows = self._column.rows_of(code)
        known = self._column.has_postings
        self._watched.looked_at += len(rows) if known else self._watched.rows
        return rows


@pytest.mark.parametrize("flushed", [False, True])
@pytest.mark.parametrize(
    ("op", "text", "found"),
    [(MatchOp.EQUAL, "pod-4", 1), (MatchOp.REGEX, "pod-4|pod-8|pod-5", 2)],
)
def test_the_label_that_fewest_rows_have_is_looked_at(
    databases: list[tsdb.Database], flushed: bool, op: MatchOp, text: str, found: int
) -> None:
    (part,) = databases[flushed]._state.parts()
    some = [
        Matcher("zone", MatchOp.NOT_EQUAL, "zz"),
        Matcher("__name__", MatchOp.EQUAL, "m0"),
        Matcher("pod", op, text),
    ]
    for _ in range(SCANS + 1):  # then there are postings
        match_rows(part.index(), some)
    watched = Watched(part.index())
    assert len(match_rows(watched, some)) == found
    assert 0 < watched.looked_at <= 10


@given(st.integers(0, 2 * FEW_ROWS), st.integers(0, 4000), st.booleans())
@settings(max_examples=30, deadline=None)
def test_label_sets_of_few_and_many_rows(
    databases: list[tsdb.Database], count: int, first: int, flushed: bool
) -> None:
    (part,) = databases[flushed]._state.parts()
    rows = np.arange(first, first + count)
    every = label_table(part.index(), np.arange(part.index().rows))
    assert list(label_table(part.index(), rows)) == list(every.take(rows))


@given(
    st.lists(st.lists(st.integers(0, 5), max_size=40), min_size=1, max_size=4),
    st.integers(0, 2 * SCANS),
)
@settings(deadline=None)
def test_postings_of_a_column_that_grows(appends: list[list[int]], searches: int) -> None:
    """Readers that have the column as it was before get no later row, whenever it is searched."""
    postings = GrowingPostings()
    columns = [list(chain(*appends[: n + 1])) for n in range(len(appends))]
    for column in columns:
        codes = np.array(column, np.int32)
        for _ in range(searches):
            postings.rows_of(codes, 6, 0)
    for column in columns:
        codes = np.array(column, np.int32)
        for code in range(6):
            expected = [row for row, found in enumerate(column) if found == code]
            assert postings.rows_of(codes, 6, code).tolist() == expected


def test_a_column_is_searched_by_postings_after_some_scans() -> None:
    postings = GrowingPostings()
    codes = np.arange(1000, dtype=np.int32) % 10
    for _ in range(SCANS):
        assert postings.rows_of(codes, 10, 3).tolist() == list(range(3, 1000, 10))
        assert postings.known is None
    assert postings.rows_of(codes, 10, 3).tolist() == list(range(3, 1000, 10))
    assert postings.known is not None
