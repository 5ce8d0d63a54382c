"""Numbers of many digits in bodies and parameters: refused where they are."""

from __future__ import annotations

import pytest

from tests.server.conftest import NOW_S
from tests.support.servers.http_server import LocalServer

LONG = "1" + "0" * 401


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ('{"query": "vector($x)", "params": {"x": LONG}}', "/params/x"),
        ('{"query": "rate(up[$w])", "params": {"w": LONG}}', "/params/w"),
        ('{"query": "up{job=~$x}", "params": {"x": ["a", LONG]}}', "/params/x/1"),
        ('{"query": "up", "start": 0, "step": LONG}', "/step"),
        ('{"query": "up", "start": 0, "step": 1e400}', "/step"),
        ('{"query": "up", "time": -LONG}', "/time"),
        ('{"query": "up", "lookback": LONG}', "/lookback"),
        ('{"query": "up", "limit": LONG}', "/limit"),
        ('{"query": "up", "limit": 1000000000000000000000000}', "/limit"),
    ],
)
@pytest.mark.parametrize("digits", [LONG, LONG * 20, "1" + "0" * 308])
def test_a_number_of_many_digits_is_refused_where_it_is(
    server: LocalServer, body: str, pointer: str, digits: str
) -> None:
    headers = server.bearer() | {"Content-Type": "application/json"}
    answer = server.client.post("/v1/novaql", content=body.replace("LONG", digits), headers=headers)

    assert answer.status_code == 400
    (detail,) = answer.json()["error"]["details"]
    assert detail["pointer"] == pointer
    assert len(detail["message"]) < 100


def test_numbers_up_to_64_bits_and_floats_are_taken(server: LocalServer) -> None:
    for value, shown in ((2**64 - 1, 2.0**64), (-(2**63), -(2.0**63)), (1e300, 1e300)):
        found = server.novaql(query="vector($x)", params={"x": value}, time=NOW_S).json()
        assert float(found["result"][0]["value"][1]) == shown


@pytest.mark.parametrize("name", ["time", "timeout", "lookback_delta"])
def test_prometheus_refuses_a_number_of_many_digits(server: LocalServer, name: str) -> None:
    asked = {"query": "up", name: LONG}
    answer = server.client.get("/prometheus/api/v1/query", params=asked, headers=server.bearer())

    assert (answer.status_code, answer.json()["errorType"]) == (400, "bad_data")
