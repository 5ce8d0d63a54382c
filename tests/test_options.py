"""Options of a query: which durations it accepts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from novaql.errors import ArgumentError
from novaql.options import QueryOptions, query_options

YEARS_292 = timedelta(milliseconds=(2**63 - 1) // 10**6)


@pytest.mark.parametrize("name", ["lookback", "step", "rollup"])
def test_durations_have_the_limit_of_those_in_a_query(name: str) -> None:
    def options(length: Any) -> QueryOptions:
        given: dict[str, Any] = {"start": 0, "end": 1, name: length}
        return query_options(**given)

    accepted = options(YEARS_292)
    assert getattr(accepted, f"{name}_ms") == (2**63 - 1) // 10**6
    for longer in (timedelta.max, YEARS_292 + timedelta(milliseconds=1), 1e10):
        with pytest.raises(ArgumentError, match=f"{name}: is longer than 292 years") as caught:
            options(longer)
        assert caught.value.argument == name
