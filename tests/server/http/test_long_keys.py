"""A long key of a JSON body is not repeated in memory for each of the values below it."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from novaql.server.errors import InvalidRequest
from novaql.server.http.strict_json import MOST_KEY, MOST_VALUES, check_values, parse_json, validate
from novaql.server.query.schema import NovaqlRequest

KEY = "k" * 100_000
ITEMS = 5_000


def refused(work: Callable[[], Any]) -> tuple[InvalidRequest, int]:
    """The error, and the largest memory meanwhile."""
    tracemalloc.start()
    try:
        with pytest.raises(InvalidRequest) as found:
            work()
        return found.value, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_key_is_too_long() -> None:
    assert ITEMS < MOST_VALUES
    body = {"query": "1", "params": {KEY: [1.5] * ITEMS}}
    error, peak = refused(lambda: validate(NovaqlRequest, body))
    assert error.details[0].pointer == "/params"
    assert f"more than {MOST_KEY} characters" in error.message
    assert peak < 8 << 20


@pytest.mark.slow
def test_keys_up_to_the_limit() -> None:
    body = {"query": "1", "params": {"k" * MOST_KEY: [1.5] * ITEMS}}
    error, _ = refused(lambda: validate(NovaqlRequest, body))
    assert error.details[0].pointer.startswith("/params/k")


def test_too_many_values() -> None:
    body = [KEY[:MOST_KEY], {"k" * MOST_KEY: [0] * 100 * ITEMS}]
    error, peak = refused(lambda: check_values(body, most=ITEMS))
    assert str(ITEMS) in error.message
    assert peak < 8 << 20


def test_a_repeated_key() -> None:
    body = b'{"%b":[%b{"a":1,"a":2}]}' % (KEY.encode(), b"0," * ITEMS)
    error, peak = refused(lambda: parse_json(body))
    assert error.details[0].pointer == f"/{KEY}/{ITEMS}/a"
    assert peak < 8 << 20
