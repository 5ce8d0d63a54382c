"""One budget of memory for the queries of all tenants."""

from __future__ import annotations

import gc
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from novaql import Cancellation, evaluate
from novaql.errors import ArgumentError, LimitExceeded, QueryCancelled
from novaql.inputs.tables.table_source import TableSource
from novaql.options import Limits, QueryOptions
from novaql.server.errors import Busy
from novaql.server.pools.machine_memory import usable_memory
from novaql.server.pools.query_memory import QueryMemory, memory_for_queries
from novaql.server.settings import Settings
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.samples import Batch

MIB = 1 << 20


def waits(memory: QueryMemory, tenant: str, size: int) -> threading.Thread:
    """A thread that reserves, once it waits."""
    thread = threading.Thread(target=memory.reserve, args=(tenant, size), daemon=True)
    thread.start()
    time.sleep(0.2)
    return thread


def test_a_tenant_alone_has_three_quarters_and_the_rest_is_for_others() -> None:
    memory = QueryMemory(1000)
    memory.reserve("a", 750)
    memory.reserve("b", 250)
    assert (memory.used, dict(memory.held)) == (1000, {"a": 750, "b": 250})
    with pytest.raises(LimitExceeded, match="together"):
        memory.reserve("c", 751)
    memory.release("a", 750)
    memory.release("b", 250)
    assert (memory.used, dict(memory.held)) == (0, {})


@pytest.mark.slow
def test_one_that_has_half_gets_no_more_while_another_waits() -> None:
    memory = QueryMemory(1000)
    memory.reserve("a", 500)
    memory.reserve("c", 400)
    other = waits(memory, "b", 400)
    soon = time.monotonic() + 0.3
    with pytest.raises(QueryCancelled):
        memory.reserve("a", 50, lambda: time.monotonic() > soon)
    memory.release("c", 400)
    other.join(5)
    assert dict(memory.held) == {"a": 500, "b": 400}
    memory.reserve("a", 50)  # nobody waits any more


@pytest.mark.slow
def test_tenants_are_served_in_turn() -> None:
    memory = QueryMemory(1000)
    memory.reserve("a", 700)
    memory.reserve("z", 300)
    served: list[str] = []

    def ask(tenant: str) -> None:
        memory.reserve(tenant, 300)
        served.append(tenant)

    for tenant in ("a", "a", "b"):
        threading.Thread(target=ask, args=(tenant,), daemon=True).start()
        time.sleep(0.1)
    memory.release("z", 300)  # a has more than its half: b, which came last, is served
    deadline = time.monotonic() + 5
    while not served and time.monotonic() < deadline:
        time.sleep(0.01)
    assert served == ["b"]
    memory.release("a", 700)
    while len(served) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert served == ["b", "a", "a"]


def test_a_wait_ends_with_a_cancellation() -> None:
    memory = QueryMemory(1000)
    memory.reserve("a", 750)
    cancellation = Cancellation()
    threading.Timer(0.1, cancellation.cancel).start()
    with pytest.raises(QueryCancelled):
        memory.of("b", cancellation).reserve(300)


def test_a_wait_ends_with_a_503() -> None:
    memory = QueryMemory(1000, longest_wait_s=0.1)
    memory.reserve("a", 750)
    with pytest.raises(Busy) as caught:
        memory.of("b").reserve(300)
    assert caught.value.headers["Retry-After"]
    memory.of("b").reserve(250)


@pytest.mark.slow
def test_a_query_gives_back_what_it_reserved_with_its_result() -> None:
    rows = 4000
    table = SeriesTable.from_dicts([{"__name__": "m", "i": str(i)} for i in range(rows)])
    numbers = np.arange(rows)
    data = TableSource(Batch(table, numbers, numbers * 0, np.arange(rows, dtype=np.float64)))
    memory = QueryMemory(1000 * MIB)
    limits = Limits(bytes=memory.most_of_one, shared=memory.of("a"))
    options = QueryOptions(0, 299_000, 1000, limits=limits)

    found = evaluate("m + on (i) m", data, options)
    assert 9 * MIB < memory.held["a"] < 32 * MIB  # the result's 1.2 million values
    del found
    gc.collect()
    assert memory.used == 0

    tight = Limits(bytes=20 * MIB, shared=memory.of("a"))
    refused = QueryOptions(0, 299_000, 1000, limits=tight)
    with pytest.raises(LimitExceeded):
        evaluate("m + on (i) m", data, refused)
    assert memory.used == 0
    assert len(evaluate("m > 5", data, QueryOptions(0, 0, limits=limits))) == rows - 6


def test_the_default_is_a_share_of_the_memory(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    assert memory_for_queries(settings) == usable_memory() // 4
    assert memory_for_queries(Settings(data=tmp_path, query_memory_bytes=1000, workers=2)) == 500
    with pytest.raises(ArgumentError, match="query_memory_bytes"):
        Settings(data=tmp_path, query_memory_bytes=-1)


@pytest.mark.parametrize(
    ("lines", "files", "expected"),
    [
        ("0::/a/b\n", {"a/memory.max": "5000", "a/b/memory.max": "max"}, 5000),
        ("0::/outside/of/it\n", {"memory.max": "4000"}, 4000),
        ("5:cpu:/x\n4:memory:/c\n0::/\n", {"memory/c/memory.limit_in_bytes": "3000"}, 3000),
        ("4:memory:/c\n", {"memory/c/memory.limit_in_bytes": str((1 << 63) - 4096)}, None),
        ("nothing of the kind", {}, None),
    ],
)
def test_limits_of_control_groups_count(
    tmp_path: Path, lines: str, files: dict[str, str], expected: int | None
) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(lines)
    for name, text in files.items():
        path = tmp_path / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")

    found = usable_memory(tmp_path)
    assert found == expected if expected is not None else found > 1 << 20
