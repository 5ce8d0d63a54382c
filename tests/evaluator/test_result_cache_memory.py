"""The result cache counts the texts of queries, which may have a megabyte each."""

from __future__ import annotations

from pathlib import Path

from novaql import QueryOptions, evaluate, tsdb
from novaql.result_cache import ResultCache
from tests.support.store.model import batch_of

LONG = 100_000


def test_texts_of_queries_count(tmp_path: Path) -> None:
    cache = ResultCache(10 * LONG)
    with tsdb.open(tmp_path) as store:
        store.append(batch_of([({"__name__": "m", "a": "b"}, 500, 1.0)]))
        for number in range(15):
            text = f'm{{a!="{number:06d}{"x" * LONG}"}}'
            result = evaluate(text, store, QueryOptions(0, 1000, 500), cache=cache)
            assert len(result.series.dicts()) == 1
            entries = min(number + 1, 9)
            assert cache.stats().entries == entries
            assert entries * LONG < cache.stats().bytes <= 10 * LONG
