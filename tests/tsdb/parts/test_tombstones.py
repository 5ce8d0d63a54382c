"""Deleted time of series, against the plainest way of saying what is deleted."""

from __future__ import annotations

import json

import hypothesis.strategies as st
import numpy as np
from hypothesis import given

from novaql.tsdb.head.series_ids import Registry
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.matchers import Matcher, MatchOp
from novaql.tsdb.parts.tombstones import (
    Deletion,
    Intervals,
    Tombstone,
    by_block,
    carry_over,
    decode,
    needed,
)

ROWS, TIMES = 5, 30

spans = st.lists(
    st.tuples(st.integers(0, ROWS - 1), st.integers(0, TIMES), st.integers(0, TIMES)), max_size=12
)


def intervals_of(found: list[tuple[int, int, int]]) -> Intervals:
    columns = np.array(found, np.int64).reshape(-1, 3).T
    return Intervals.merged(*columns)


def deleted(found: list[tuple[int, int, int]], row: int, time: int) -> bool:
    return any(r == row and a <= time <= b for r, a, b in found)


@given(spans)
def test_merged_intervals_say_the_same_and_leave_gaps(found: list[tuple[int, int, int]]) -> None:
    merged = intervals_of(found)
    rows, times = (a.ravel() for a in np.mgrid[0 : ROWS + 1, -1 : TIMES + 2])

    assert merged.mask(rows, times).tolist() == [
        deleted(found, row, time) for row, time in zip(rows.tolist(), times.tolist(), strict=True)
    ]
    same = merged.rows[1:] == merged.rows[:-1]
    assert (merged.rows[1:] >= merged.rows[:-1]).all()
    assert (merged.starts <= merged.ends).all()
    assert (merged.starts[1:] > merged.ends[:-1] + 1)[same].all()


@given(spans, st.lists(st.integers(0, ROWS), max_size=8), st.integers(0, 30), st.integers(0, 30))
def test_what_is_kept_of_a_range_is_what_was_not_deleted(
    found: list[tuple[int, int, int]], rows: list[int], start: int, end: int
) -> None:
    left: dict[int, list[int]] = {place: [] for place in range(len(rows))}

    for places, starts, ends in intervals_of(found).remaining(np.array(rows, np.int64), start, end):
        assert len(set(places.tolist())) == len(places)
        for place, a, b in zip(places.tolist(), starts.tolist(), ends.tolist(), strict=True):
            assert a <= b
            left[place] += range(a, b + 1)

    assert left == {
        place: [t for t in range(start, end + 1) if not deleted(found, row, t)]
        for place, row in enumerate(rows)
    }


def test_a_deletion_finds_series_that_satisfy_any_set_of_matchers() -> None:
    registry = Registry()
    registry.ids_of(
        SeriesTable.from_dicts([{"__name__": n, "job": j} for n in ("up", "load") for j in "ab"])
    )
    up = (Matcher("__name__", MatchOp.EQUAL, "up"), Matcher("job", MatchOp.EQUAL, "a"))
    load = (Matcher("__name__", MatchOp.REGEX, "lo.*"),)

    found = Intervals.of(registry.index(), [Deletion((up, load), 3, 5), Deletion((up,), 6, 9)])

    assert found.rows.tolist() == [0, 2, 3]
    assert found.starts.tolist() == [3, 3, 3]
    assert found.ends.tolist() == [9, 5, 5]


def deletion(start: int) -> Deletion:
    return Deletion(((Matcher("a\ud800", MatchOp.NOT_REGEX, 'ü"'),),), start, 2**62)


def test_tombstones_come_back_from_json() -> None:
    stones = (
        Tombstone(deletion(-(2**62)), frozenset({"b", "a"}), 7),
        Tombstone(deletion(0), frozenset(), 9),
    )

    assert decode(json.loads(stone.encoded) for stone in stones) == stones


def test_blocks_that_replace_others_take_over_what_was_not_carried_out() -> None:
    early, late = (
        Tombstone(deletion(1), frozenset("ab"), 1),
        Tombstone(deletion(2), frozenset("abc"), 2),
    )
    again = Tombstone(deletion(1), frozenset("abc"), 3)

    assert carry_over([early, late], "ab", "m", [early]) == (
        Tombstone(deletion(1), frozenset(), 1),
        Tombstone(deletion(2), frozenset("cm"), 2),
    )
    assert carry_over([early, again], "ac", "m", [early])[1].blocks == frozenset("bm")
    assert carry_over([early, again], "ab", "m", [early])[1].blocks == frozenset("c")


def test_tombstones_are_needed_while_a_block_or_the_log_has_samples() -> None:
    in_block, in_log = (
        Tombstone(deletion(1), frozenset("a"), 1),
        Tombstone(deletion(2), frozenset(), 5),
    )

    assert needed([in_block, in_log], 4) == (in_block, in_log)
    assert needed([in_block, in_log], 5) == (in_block,)
    both = Tombstone(deletion(3), frozenset("ab"), 6)
    assert by_block([in_block, in_log, both]) == {
        "a": (deletion(1), deletion(3)),
        "b": (deletion(3),),
    }
