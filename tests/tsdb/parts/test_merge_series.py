"""Label sets of several parts: each once, in the order of the first part that has it."""

from __future__ import annotations

import tracemalloc
import weakref
from dataclasses import replace
from typing import NoReturn

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from novaql import tsdb
from novaql.tsdb.head.head import HeadPart
from novaql.tsdb.index.match import label_table
from novaql.tsdb.model.key_table import distinct_keys
from novaql.tsdb.model.labels import SeriesTable, combine_codes
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.parts.merge_series import union_bytes, unite, united
from novaql.tsdb.parts.part import Part, PartWithTombstones
from novaql.tsdb.parts.series_keys import KEY_CACHE_BYTES, SeriesKeys
from novaql.tsdb.runtime.lru_cache import ByteCache

SETS = [{"a": a, "b": b} for a in ("", "x", "y") for b in ("", "u", "v") if a or b]
some_sets = st.lists(st.sampled_from(SETS), min_size=1, unique_by=lambda one: tuple(one.values()))


def part_of(sets: list[dict[str, str]]) -> Part:
    database = tsdb.memory()
    count = len(sets)
    table = SeriesTable.from_dicts(sets)
    database.append(Batch(table, np.arange(count), np.zeros(count, np.int64), np.zeros(count)))
    (part,) = database._state.parts()
    return part


@given(st.lists(st.tuples(some_sets, st.integers(1, 3), st.integers(0, 3)), max_size=4))
@settings(deadline=None)
def test_label_sets_are_numbered_by_first_appearance(
    wanted: list[tuple[list[dict[str, str]], int, int]],
) -> None:
    """Parts, how often each of them stands there, and how many of its first rows were not found."""
    found = [
        (part_of(sets), np.arange(min(skipped, len(sets) - 1), len(sets)))
        for sets, times, skipped in wanted
        for _ in range(times)
    ]
    expected: dict[tuple[tuple[str, str], ...], int] = {}
    numbers = [
        [
            expected.setdefault(tuple(labels.items()), len(expected))
            for labels in label_table(part.index(), rows)
        ]
        for part, rows in found
    ]

    union = unite(found, SeriesKeys(KEY_CACHE_BYTES))

    assert union.table.dicts() == [dict(labels) for labels in expected]
    assert [place.tolist() for _, place in union.found] == numbers
    assert [rows.tolist() for rows, _ in union.found] == [rows.tolist() for _, rows in found]


def test_parts_with_the_same_series_share_what_is_known_of_them() -> None:
    """A store of many blocks costs no more here than one of few."""
    same, other = SETS, SETS[:3]
    parts = [part_of(sets) for sets in (same, same, other, other, same)]
    union = unite([(part, np.arange(part.index().rows)) for part in parts], SeriesKeys())
    (first, second, third, fourth, _) = union.found
    assert first[0] is second[0]
    assert first[1] is second[1]
    assert third[0] is fourth[0]
    assert third[1] is fourth[1]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2**40)), max_size=12))
def test_combined_codes_are_dense_and_in_order(rows: list[tuple[int, int]]) -> None:
    columns = [np.array(column, np.int64) for column in zip(*rows, strict=True)]
    expected = {row: number for number, row in enumerate(sorted(set(rows)))}
    assert combine_codes(columns, len(rows)).tolist() == [expected[row] for row in rows]


@given(st.lists(some_sets, min_size=1, max_size=4))
@settings(deadline=None)
def test_a_union_may_have_some_labels_only(sets: list[list[dict[str, str]]]) -> None:
    found = [(part_of(some), np.arange(len(some))) for some in sets]
    whole = unite(found, SeriesKeys())
    some = unite(found, SeriesKeys(KEY_CACHE_BYTES), frozenset("b"))

    assert [place.tolist() for _, place in some.found] == [
        place.tolist() for _, place in whole.found
    ]
    assert some.table.dicts() == [
        {name: text for name, text in labels.items() if name == "b"} for labels in whole.table
    ]


@given(st.lists(some_sets, min_size=1, max_size=3), st.lists(st.sampled_from(SETS), max_size=6))
@settings(deadline=None)
def test_a_growing_head_extends_the_union_of_the_other_parts(
    others: list[list[dict[str, str]]], arrivals: list[dict[str, str]]
) -> None:
    """The union after each new series is that of all parts, made at once."""
    cache, keys = ByteCache(1 << 20, union_bytes), SeriesKeys(KEY_CACHE_BYTES)
    head = part_of([SETS[0]])
    assert isinstance(head, HeadPart)
    lasting = [_immutable(part_of(sets)) for sets in others]
    sets = [SETS[0]]
    for labels in ({}, *arrivals):
        if labels and labels not in sets:
            sets.append(labels)
        grown = part_of(sets)
        assert isinstance(grown, HeadPart)
        parts: list[Part] = [*lasting, replace(grown, origin=head.origin)]
        for names in (None, frozenset("b")):
            union = united(parts, (), cache, keys, labels=names)
            pairs = [(part, np.arange(part.index().rows)) for part in parts]
            expected = unite(pairs, SeriesKeys(), names)
            assert union.table.dicts() == expected.table.dicts()
            for (rows, numbers), (wanted, at) in zip(union.found, expected.found, strict=True):
                assert rows.tolist() == wanted.tolist()
                assert numbers.tolist() == at.tolist()


def test_a_new_series_reads_no_labels_of_immutable_parts() -> None:
    cache, keys = ByteCache(1 << 20, union_bytes), SeriesKeys(KEY_CACHE_BYTES)
    block = _immutable(part_of(SETS[:5]))
    unions = []
    for count in (1, 2, 7):
        head = part_of(SETS[:count])
        assert isinstance(head, HeadPart)
        unions.append(united([block, replace(head, origin="head")], (), cache, keys))
        vars(block)["index"] = _fail  # from here on
    assert [union.table.rows for union in unions] == [5, 5, 7]
    assert unions[0].table is unions[1].table
    assert len(cache) == 2  # that of the block, and the last one


def _immutable(part: Part) -> PartWithTombstones:
    """The part as a block is: it has one identity for ever."""
    found = PartWithTombstones(part, ())
    found.origin = found.identity
    return found


def _fail() -> NoReturn:
    raise AssertionError("the index of an immutable part is read again")


def test_keys_of_a_head_grow_with_it() -> None:
    keys = SeriesKeys(KEY_CACHE_BYTES)
    one, both = part_of(SETS[:3]), part_of(SETS)
    assert isinstance(one, HeadPart)
    assert isinstance(both, HeadPart)
    few = keys.of(one, np.arange(3))
    later = replace(both, origin=one.origin)  # the same head with more series
    many = keys.of(later, np.arange(len(SETS)))

    assert np.array_equal(many[:3], few)
    assert np.array_equal(many, SeriesKeys().of(both, np.arange(len(SETS))))
    assert len(np.unique(many[:, 0])) == len(SETS)
    assert np.array_equal(keys.of(one, np.array([2])), few[2:])


def test_a_name_may_have_any_character() -> None:
    """Nothing that a name may contain ends it."""
    sets = [{"a\0b": "c"}, {"a": "b\0c"}, {"ab": "c"}, {"a": "bc"}, {"1:a": "b"}, {"1": ":ab"}]
    union = unite([(part_of([one]), np.arange(1)) for one in sets], SeriesKeys())
    assert union.table.dicts() == sets


def test_the_keys_of_few_rows_are_computed_alone() -> None:
    keys = SeriesKeys(KEY_CACHE_BYTES)
    part = part_of([{"n": str(n)} for n in range(200)])
    few = keys.of(part, np.array([7, 150]))
    assert len(keys.cache) == 0
    assert np.array_equal(keys.of(part, np.arange(200))[[7, 150]], few)
    assert len(keys.cache) == 1


def test_the_keys_of_other_rows_are_not_computed_if_they_would_not_fit() -> None:
    count = 4000
    part = part_of([{"n": str(n)} for n in range(count)])
    peaks = []
    for limit in (16 * count, 64 * count):
        keys = SeriesKeys(limit)
        tracemalloc.start()
        try:
            few = keys.of(part, np.arange(0, count, 20))
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
        assert np.array_equal(few, SeriesKeys(1 << 20).of(part, np.arange(count))[::20])
    assert peaks[0] < peaks[1] / 4


@pytest.mark.slow
def test_rows_of_parts_are_not_held_together() -> None:
    """Of many blocks with the same series, a merge has the rows of one at a time."""
    count, times = 10_000, 40
    part = part_of([{"n": str(n)} for n in range(count)])
    peaks = []
    for parts in (2, times):
        tracemalloc.start()
        try:
            unite(((part, np.arange(count)) for _ in range(parts)), SeriesKeys())
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[1] - peaks[0] < 8 * count * times / 4


def test_keys_with_equal_lower_halves_are_distinct() -> None:
    keys = np.array([[5, 1], [5, 2], [3, 1], [5, 1], [5, 2]], np.uint64)
    first, which = distinct_keys(keys)
    assert first.tolist() == [0, 1, 2]
    assert which.tolist() == [0, 1, 2, 0, 1]


def test_parts_with_the_same_series_share_their_keys() -> None:
    keys = SeriesKeys(KEY_CACHE_BYTES)
    parts = [part_of(SETS) for _ in range(2)]
    for part in parts:
        keys.of(part, np.arange(len(SETS)))
    first, second = (keys.cache.get(part.origin) for part in parts)
    assert first is not None
    assert first is second

    held = weakref.ref(first)
    keys.cache.clear()
    del first, second
    assert held() is None  # the keys end with the cache
