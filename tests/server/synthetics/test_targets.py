"""Targets that checks never reach: when they are created, and when they run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from novaql.server.clock import SteppedClock
from tests.server.synthetics.conftest import NOW, Lab
from tests.support.contract.denied_targets import denied_urls
from tests.support.peers.dns_server import dns_server
from tests.support.peers.probed import answering, http, probed
from tests.support.servers.http_server import local_server

PUBLIC = "93.184.216.34"
DENIED_TCP = ["127.0.0.1:22", "localhost:22", "[::1]:22", "2130706433:22", "tcp://10.0.0.1:22"]


@pytest.fixture(scope="module")
def closed() -> Iterator[Lab]:
    """A server without exceptions for loopback."""
    clock = SteppedClock(NOW)
    with local_server(clock=clock, synthetic_jitter=0.0) as server:
        yield Lab(server, clock)


def body(target: str, **fields: Any) -> dict[str, Any]:
    usual = {"name": "n", "type": "http", "target": target, "interval": "1m", "timeout": "1s"}
    return {**usual, **fields}


@pytest.mark.parametrize("kind", ["http", "browser"])
def test_denied_targets_are_refused_when_created(closed: Lab, kind: str) -> None:
    with probed(answering(http())) as peer:
        for target in denied_urls(peer.port):
            flow = {"timeout": "10s", "steps": [{"action": "goto", "url": target}]}
            more: dict[str, Any] = flow if kind == "browser" else {}
            found = closed.code("POST", "/synthetics", body(target, type=kind, **more))
            assert found == (422, "target_not_allowed"), target
        assert peer.connections == 0


@pytest.mark.parametrize("target", [*DENIED_TCP, "127.0.0.1", "ftp://a:1", "a:99999"])
def test_denied_tcp_targets_are_refused_when_created(closed: Lab, target: str) -> None:
    found = closed.code("POST", "/synthetics", body(target, type="tcp"))
    assert found == (422, "target_not_allowed")


def test_a_name_with_one_private_address_is_refused() -> None:
    with (
        dns_server({"mixed.example": [[PUBLIC, "127.0.0.1"]]}) as names,
        local_server(dns_server=names.address) as server,
    ):
        lab = Lab(server, SteppedClock(NOW))
        found = lab.code("POST", "/synthetics", body("http://mixed.example/"))
        assert found == (422, "target_not_allowed")


@pytest.mark.parametrize("kind", ["http", "tcp"])
def test_a_name_that_turns_private_is_blocked_without_a_packet(kind: str) -> None:
    clock = SteppedClock(NOW)
    with (
        probed(answering(http())) as peer,
        dns_server({"turns.example": [[PUBLIC], ["127.0.0.1"]]}) as names,
        local_server(clock=clock, dns_server=names.address, synthetic_jitter=0.0) as server,
    ):
        lab = Lab(server, clock)
        where = f"turns.example:{peer.port}"
        check = lab.check(where if kind == "tcp" else f"http://{where}/", type=kind)
        lab.pass_time(60)
        blocked = lab.result(check)
        shown = lab.get(f"/synthetics/{check}")
        assert peer.connections == 0
    assert (blocked["status"], blocked["failure_reason"]) == ("blocked", "target_not_allowed")
    assert shown["uptime_24h"]["excluded"]["blocked"] == 1
    assert shown["uptime_24h"]["uptime"] is None
    assert shown["state"] == "unknown"


def test_a_name_is_resolved_once_in_a_run() -> None:
    """The second question of a run, if there were one, would lead to a closed port."""
    clock = SteppedClock(NOW)
    with (
        probed(answering(http())) as peer,
        dns_server({"moves.example": [["127.0.0.1"], ["127.0.0.1"], ["10.0.0.1"]]}) as names,
        local_server(
            clock=clock,
            dns_server=names.address,
            egress_allow="127.0.0.0/8",
            synthetic_jitter=0.0,
        ) as server,
    ):
        lab = Lab(server, clock)
        check = lab.check(f"http://moves.example:{peer.port}/")
        lab.pass_time(60)
        assert lab.result(check)["status"] == "success"
        assert len(names.asked) == 2


@pytest.mark.slow
def test_a_redirect_into_a_private_network_is_blocked_and_open_ports_do_not_show() -> None:
    """127.0.0.1 is open for the test; 127.9.9.9 is not, whether or not something listens there."""
    clock = SteppedClock(NOW)
    with (
        probed(answering(http())) as victim,
        local_server(clock=clock, egress_allow="127.0.0.1/32", synthetic_jitter=0.0) as server,
    ):
        lab = Lab(server, clock)
        seen = []
        for number, location in enumerate(
            (
                f"http://localtest.invalid@127.0.0.1:{victim.port}/",
                f"http://127.9.9.9:{victim.port}/",
                "http://127.9.9.9:9/",
                "http://[::ffff:127.9.9.9]/",
                "file:///etc/passwd",
                "http://169.254.169.254/",
            )
        ):
            with probed(answering(http(302, location=location))) as peer:
                check = lab.check(peer.url, name=f"c{number}")
                found = lab.run(check)
            drop = ("id", "run_id", "synthetic_id", "duration_ms", "created_at")
            seen.append({k: v for k, v in found.items() if k not in drop})
        assert victim.connections == 0
    assert all(one == seen[0] for one in seen)
    assert (seen[0]["status"], seen[0]["http_status"]) == ("blocked", None)
