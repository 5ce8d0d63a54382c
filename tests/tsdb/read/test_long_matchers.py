"""Caches whose keys have matchers count their texts, which may have a megabyte each."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from novaql import tsdb
from novaql.tsdb import Database, Matcher, MatchOp
from novaql.tsdb.runtime.lru_cache import ByteCache, text_bytes
from tests.support.store.model import batch_of

LONG = 1_000_000
READS: dict[str, Callable[[Database, Matcher], object]] = {
    "select": lambda store, matcher: store.select([matcher], 0, 1000),
    "series": lambda store, matcher: store.series([[matcher]], 0, 1000),
    "label_values": lambda store, matcher: store.label_values("a", [[matcher]], 0, 1000),
}


def test_texts_of_keys() -> None:
    matcher = Matcher("ab", MatchOp.EQUAL, "cde")
    assert text_bytes((1, "xy", (matcher, None), frozenset({"z"}))) == 8
    cache: ByteCache[bytes] = ByteCache(100, len, of_text=True)
    cache.put(("x" * 30, 1), b"")
    cache.put(("x" * 30, 2), b"y" * 20)
    assert cache.nbytes == 80
    cache.put(("x" * 30, 3), b"")
    assert len(cache) == 2
    cache.put("x" * 51, b"")
    assert len(cache) == 2


@pytest.mark.parametrize("read", READS.values(), ids=READS)
@pytest.mark.parametrize("flushed", [False, True])
def test_selectors_of_a_megabyte_take_bounded_memory(
    tmp_path: Path, read: Callable[[Database, Matcher], object], flushed: bool
) -> None:
    with tsdb.open(tmp_path) as store:
        store.append(batch_of([({"__name__": "m", "a": "b"}, 500, 1.0)]))
        if flushed:
            store.flush()
        tracemalloc.start()
        try:
            for number in range(150):
                read(store, Matcher("a", MatchOp.NOT_EQUAL, f"{number:06d}" + "x" * LONG))
            gc.collect()
            assert tracemalloc.get_traced_memory()[0] < 100 << 20
        finally:
            tracemalloc.stop()
