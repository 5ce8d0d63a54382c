"""A server in this process with a few series."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.http_server import LocalServer, local_server

NOW_S = 1_700_000_000
"""The last scrape of the series below."""


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    """Ten minutes of `up` (two instances) and `requests_total` (two codes), every 15 s."""
    with local_server() as made:
        times = [(NOW_S - 600 + 15 * i) * 1000 for i in range(41)]
        answer = made.write(
            [
                ({"__name__": "up", "job": "api", "instance": "a"}, [(t, 1.0) for t in times]),
                ({"__name__": "up", "job": "api", "instance": "b"}, [(t, 0.0) for t in times]),
                (
                    {"__name__": "requests_total", "job": "api", "code": "200"},
                    [(t, 30.0 * i) for i, t in enumerate(times)],
                ),
                (
                    {"__name__": "requests_total", "job": "api", "code": "500"},
                    [(t, 1.5 * i) for i, t in enumerate(times)],
                ),
            ]
        )
        assert answer.status_code == 204, answer.text
        yield made
