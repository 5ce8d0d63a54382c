"""Matching through an index against matching row by row, in the head and in a block."""

from __future__ import annotations

from collections.abc import Iterator

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from novaql import tsdb
from novaql.tsdb import Batch, Matcher, MatchOp, SeriesTable
from novaql.tsdb.index.match import label_table, match_rows
from novaql.tsdb.index.postings import Postings
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
