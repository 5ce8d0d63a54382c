"""A query leaves no cycle of references: what it has read is freed at its end.

Full collections are rare (`process/garbage.py`), and the samples of a head that a query refers to
are copied at each merge, so cycles of a few queries would hold hundreds of megabytes.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator

import pytest

from novaql.evaluator.context import Context
from novaql.server.pools.query_sizes import SMALL_SERIES
from tests.support.servers.http_server import LocalServer, local_server

AT = 1_700_000_000


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    with local_server() as found:
        many = range(SMALL_SERIES + 1)
        series = [({"__name__": "load", "i": str(i)}, [(AT * 1000, float(i))]) for i in many]
        assert found.write(series).is_success
        yield found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("sum(load)", 200),  # large: begins as a small one
        ('load{i="7"}', 200),
        ("load + on () load", 422),
        ("sum(load", 400),
    ],
)
def test_what_a_query_has_read_is_freed_without_a_collection(
    server: LocalServer, query: str, status: int
) -> None:
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            assert server.prometheus("query", query=query, time=AT).status_code == status
        end = time.monotonic() + 30
        while left := [one for one in gc.get_objects() if type(one) is Context]:
            # The answer may be there before the thread that computed it has let go.
            assert time.monotonic() < end, left
            del left
            time.sleep(0.05)
            assert server.client.get("/healthz").is_success
    finally:
        gc.enable()
