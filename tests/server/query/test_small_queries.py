"""Which queries run among the small ones."""

from __future__ import annotations

from dataclasses import replace

import pytest

from novaql.evaluator import Estimate
from novaql.server.pools.query_sizes import (
    SMALL_BYTES,
    SMALL_DECODED,
    SMALL_SAMPLES,
    SMALL_SERIES,
    SMALL_WORK,
    only_small,
)
from novaql.server.pools.query_workers import TooLargeHere

MOST = Estimate(SMALL_SERIES, SMALL_SAMPLES, SMALL_BYTES, SMALL_WORK)


def test_a_query_within_all_limits_is_small() -> None:
    only_small(MOST)


@pytest.mark.parametrize("field", ["series", "samples", "bytes", "work"])
def test_a_query_above_one_limit_is_not(field: str) -> None:
    with pytest.raises(TooLargeHere):
        only_small(replace(MOST, **{field: getattr(MOST, field) + 1}))


def test_a_query_may_read_more_samples_if_they_are_decoded() -> None:
    only_small(replace(MOST, samples=SMALL_DECODED, in_memory=True))
    with pytest.raises(TooLargeHere):
        only_small(replace(MOST, samples=SMALL_DECODED + 1, in_memory=True))
    with pytest.raises(TooLargeHere):
        only_small(replace(MOST, samples=SMALL_DECODED))
