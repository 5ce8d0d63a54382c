"""The caches of all tenants' stores share one limit: `total_store_cache_bytes`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from novaql import ArgumentError, tsdb
from novaql.server.auth.bootstrap import add_tenant
from novaql.server.auth.roles import Role
from novaql.server.clock import SystemClock
from novaql.server.pools.machine_memory import usable_memory
from novaql.server.settings import Settings
from novaql.server.tenants.opening import cache_budget
from tests.support.servers.http_server import LocalServer, local_server, token_of

MIB, TENANTS, METRICS = 1 << 20, 5, 10


@pytest.mark.slow
def test_many_tenants_take_no_more_than_the_limit_together() -> None:
    limit = 6 * MIB
    with local_server(total_store_cache_bytes=limit, result_cache_bytes=0) as server:
        answers = []
        secrets = [tenant_with_samples(server, f"t{n}") for n in range(TENANTS)]
        for _ in range(2):
            for secret in secrets:
                answers.append([total(server, secret, metric) for metric in range(METRICS)])
                assert limit // 2 < server.context.stores.stats()["cache_bytes"] <= limit
    assert all(answer == answers[0] for answer in answers)


def tenant_with_samples(server: LocalServer, name: str) -> str:
    """A token of a new tenant, whose samples take 4 MiB decoded."""
    context = server.context
    tenant = add_tenant(context.database, SystemClock(), name).id
    names = [{"__name__": f"m{i % METRICS}", "i": str(i)} for i in range(1000)]
    values = np.random.default_rng(1).random(500_000)
    rows, times = np.repeat(np.arange(1000), 500), np.tile(np.arange(500) * 1000, 1000)
    store = context.stores.of(tenant)
    store.append(tsdb.Batch(tsdb.SeriesTable.from_dicts(names), rows, times, values))
    store.flush()
    return token_of(context.database, tenant, Role.READ_ONLY, "eve@example.com")


def total(server: LocalServer, secret: str, metric: int) -> str:
    query = f"sum(sum_over_time(m{metric}[500s]))"
    answer = server.client.get(
        "/prometheus/api/v1/query",
        params={"query": query, "time": "499"},
        headers={"Authorization": f"Bearer {secret}"},
    )
    found: str = answer.raise_for_status().json()["data"]["result"][0]["value"][1]
    return found


def test_the_default_is_a_quarter_of_the_memory_and_no_less_than_one_store(tmp_path: Path) -> None:
    quarter = usable_memory() // 4
    assert cache_budget(Settings(data=tmp_path)).limit == max(quarter, 256 * MIB)
    assert cache_budget(Settings(store_cache_bytes=4 * quarter)).limit == 4 * quarter
    assert cache_budget(Settings(total_store_cache_bytes=MIB)).limit == MIB
    with pytest.raises(ArgumentError, match="total_store_cache_bytes: must be 0 or more"):
        Settings(total_store_cache_bytes=-1)
