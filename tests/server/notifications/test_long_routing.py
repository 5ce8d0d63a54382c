"""The cache of routing plans."""

from __future__ import annotations

import gc
import tracemalloc

from novaql.server.notifications.routing_config import plan_of


def test_plans_of_long_documents_are_cached_within_a_bound() -> None:
    tracemalloc.start()
    try:
        for number in range(60):
            text = f'text = "{number}{"x" * 1900}"'
            routes = [{"channels": ["a"], "matchers": [text]}] * 200
            assert len(plan_of({"route": {"channels": ["a"], "routes": routes}}).root.routes) == 200
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] < 32 << 20
    finally:
        tracemalloc.stop()
