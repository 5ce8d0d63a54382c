"""The cache of the library: `tsdb/runtime/lru_cache.py`."""

from __future__ import annotations

import operator
from functools import partial
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from novaql.tsdb.runtime.lru_cache import (
    CALLS_SINCE_USE,
    CALLS_UNTIL_UNUSED,
    RELEASED_AT_ONCE,
    ByteCache,
    SharedLimit,
    each,
)

KEYS = st.integers(0, 9)
ACTIONS = st.one_of(
    st.tuples(st.just("get"), KEYS),
    st.tuples(st.just("put"), KEYS, st.integers(0, 12)),
    st.tuples(st.just("grow"), KEYS, st.integers(0, 12)),
    st.tuples(st.just("remove"), KEYS),
)


@given(
    st.integers(1, 20),
    st.integers(1, 20),
    st.lists(st.tuples(st.booleans(), ACTIONS), max_size=60),
)
def test_caches_that_share_a_limit_are_one_list_ordered_by_use(
    limit: int, own: int, actions: list[tuple[bool, tuple[Any, ...]]]
) -> None:
    """The model: (cache, key, size), the least recently used first. One has a limit of its own."""
    limits = {False: limit, True: min(own, limit)}
    caches = {which: ByteCache[int](most, lambda size: size) for which, most in limits.items()}
    SharedLimit(limit, *caches.values())
    model: list[tuple[bool, int, int]] = []
    values: dict[tuple[bool, int], int] = {}
    for which, (action, key, *rest) in actions:
        cache, more = caches[which], list[int](rest)
        found = [one for one in model if one[:2] == (which, key)]
        others = [one for one in model if one[:2] != (which, key)]
        if action == "get":
            assert cache.get(key) == (values[which, key] if found else None)
            model = [*others, *found]
        elif action == "remove":
            cache.remove(partial(operator.ge, key))
            model = [one for one in model if one[0] != which or one[1] > key]
        else:
            if action == "put":
                cache.put(key, more[0])
                values[which, key] = more[0]
                fits = more[0] <= limits[which] // 2
                model = [*others, (which, key, more[0])] if fits else others
            else:
                cache.grow(key, more[0])
                model = [(*one[:2], one[2] + more[0] * (one in found)) for one in model]
            while sum(size for of, _, size in model if of == which) > limits[which]:
                model.remove(next(one for one in model if one[0] == which))
            while sum(size for *_, size in model) > limit:
                model = model[1:]
        for each_of, one in caches.items():
            assert one.without(list(range(10))) == [
                (each_of, key) not in {(of, its) for of, its, _ in model} for key in range(10)
            ]


@given(st.integers(0, 20), st.lists(ACTIONS, max_size=60))
def test_it_is_a_list_ordered_by_use(limit: int, actions: list[tuple[Any, ...]]) -> None:
    """The model: (key, size) pairs, the least recently used first."""
    cache, model = ByteCache[int](limit, lambda size: size), list[tuple[int, int]]()
    values: dict[int, int] = {}
    for action, key, *rest in actions:
        more: list[int] = rest
        known = dict(model).get(key)
        others = [pair for pair in model if pair[0] != key]
        if action == "get":
            assert cache.get(key) == (None if known is None else values[key])
            model = model if known is None else [*others, (key, known)]
        elif action == "remove":
            cache.remove(partial(operator.ge, key))
            model = [pair for pair in model if pair[0] > key]
        else:
            if action == "put":
                cache.put(key, more[0])
                values[key] = more[0]
                fits = limit > 0 and more[0] <= limit // 2
                model = [*others, (key, more[0])] if fits else others
            else:
                cache.grow(key, more[0])
                model = [(at, size + more[0] * (at == key)) for at, size in model]
            while sum(size for _, size in model) > limit:
                model = model[1:]
        assert len(cache) == cache.stats().entries == len(model)
        assert cache.stats().bytes == sum(size for _, size in model) <= limit
        absent = cache.without(list(range(10)))
        assert absent == [limit == 0 or key not in dict(model) for key in range(10)]


def test_entries_can_be_counted() -> None:
    cache = ByteCache[str](3, each)
    for key in range(5):
        cache.put(key, "value")
    assert [cache.get(key) is not None for key in range(5)] == [False, False, True, True, True]


def test_values_without_a_later_use_are_released() -> None:
    cache = ByteCache[bytes](1000, len)
    cache.put("never", bytes(10))
    cache.put("by its own query", bytes(10))
    cache.get("by its own query")
    cache.put("used", bytes(20))
    cache.release_unused()
    cache.get("used")
    for _ in range(CALLS_UNTIL_UNUSED - 1):
        cache.release_unused()
        assert len(cache) == 3
    cache.release_unused()
    assert "never" not in cache
    assert "by its own query" not in cache
    assert cache.stats().bytes == 20
    cache.get("used")
    for _ in range(CALLS_SINCE_USE):
        cache.release_unused()
        assert "used" in cache
    cache.release_unused()
    assert cache.stats().bytes == len(cache) == 0


def test_others_have_their_turn_while_many_values_are_released() -> None:
    """The lock is free between any two portions."""
    cache, left = ByteCache[object](10_000, each), []

    class Lock:
        def __enter__(self) -> None:
            left.append(len(cache))

        def __exit__(self, *_: object) -> None: ...

    for key in range(5 * RELEASED_AT_ONCE):
        cache.put(key, object())
    for _ in range(CALLS_UNTIL_UNUSED):
        cache.release_unused()
    cache.put("new", object())
    cache._lock = Lock()  # type: ignore[assignment]
    cache.release_unused()

    assert max(before - after for before, after in pairwise(left)) == RELEASED_AT_ONCE
    assert len(cache) == 1
    assert "new" in cache
