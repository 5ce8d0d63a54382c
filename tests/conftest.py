"""How hard property tests try, chosen by HYPOTHESIS_PROFILE.

dev   25 examples: the loop while working (the default)
ci    100 examples from a fixed seed: a red run means the change, not the draw
deep  2 000 examples: for a timer or a person who hunts

A test that runs away in memory fails with a MemoryError of its own, rather than having the whole
run killed with no name given.
"""

from __future__ import annotations

import os
import resource

import pytest
from hypothesis import HealthCheck, settings

# The first example of a test pays for imports and caches, and machines are shared: no deadlines.
settings.register_profile("dev", max_examples=25, deadline=None)
settings.register_profile(
    "ci",
    max_examples=100,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],  # a busy machine is not a wrong test
)
settings.register_profile("deep", max_examples=2_000, stateful_step_count=100, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))

MEMORY_BYTES = 10 << 30
_soft, _hard = resource.getrlimit(resource.RLIMIT_DATA)
if _soft == resource.RLIM_INFINITY or _soft > MEMORY_BYTES:
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, _hard))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first: a run on several cores does not end with one of them alone."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
