"""What the server remembers of a query: how large its last run was, and not its text."""

from __future__ import annotations

import weakref

from novaql.evaluator import Estimate
from novaql.server.pools.query_sizes import QuerySizes, Size
from novaql.server.telemetry import Telemetry
from novaql.server.tuning import Tuning


class Key:
    """A key that a weak reference can watch."""


def test_a_key_is_not_held() -> None:
    """The text of a query may have a megabyte, and sizes of thousands are known."""
    sizes, key = QuerySizes(Telemetry("0", dict), Tuning(tiny_s=60.0)), Key()
    sizes.run_large(key, lambda admit: admit(Estimate(in_memory=True)))
    assert sizes.of(key) is Size.TINY
    held = weakref.ref(key)
    del key
    assert held() is None
