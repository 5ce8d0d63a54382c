"""Headers of any length leave no text in the caches of the server."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable

import pytest

from novaql.server.addresses import is_loopback
from novaql.server.errors import Forbidden, NotAcceptable
from novaql.server.http.compression import accepted_encoding
from novaql.server.http.formats import format_of
from novaql.server.http.site import Site
from novaql.server.settings import Settings

LONG = "x" * 60_000


def foreign_origin(number: int) -> None:
    headers = [(b"host", b"a"), (b"origin", f"http://{LONG}{number}".encode())]
    scope = {"type": "http", "scheme": "http", "method": "POST", "headers": headers}
    with pytest.raises(Forbidden):
        Site.of(Settings()).check(scope)


def unknown_format(number: int) -> None:
    with pytest.raises(NotAcceptable):
        format_of(None, f"{LONG}/{number}")


@pytest.mark.parametrize(
    "call",
    [
        foreign_origin,
        unknown_format,
        lambda number: accepted_encoding(f"{LONG}{number}"),
        lambda number: is_loopback(f"{LONG}{number}"),
    ],
    ids=["origin", "accept", "accept-encoding", "host"],
)
def test_a_long_header_stays_in_no_cache(call: Callable[[int], object]) -> None:
    call(0)
    gc.collect()
    tracemalloc.start()
    try:
        for number in range(1, 60):
            call(number)
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] < 1 << 20
    finally:
        tracemalloc.stop()
