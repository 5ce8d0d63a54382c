"""A name that leads elsewhere from one question to the next, asked at a DNS server of the test."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from novaql.server.egress.errors import Unreachable
from novaql.server.egress.names import resolver_at
from tests.server.webhooks.conftest import ask, log_of, make_a_token, subscribe
from tests.support.peers.dns_server import dns_server
from tests.support.peers.receiver import Receiver
from tests.support.servers.http_server import local_server

PUBLIC, PRIVATE = "93.184.216.34", "127.0.0.1"


@pytest.mark.slow
def test_a_name_that_turns_private_is_not_dialed(receiver: Receiver) -> None:
    port = urlsplit(receiver.url).port
    answers = {"hooks.example": [[PUBLIC], [PRIVATE]]}
    with (
        dns_server(answers) as names,
        local_server(webhook_http=True, dns_server=names.address) as served,
    ):
        webhook = subscribe(served, f"http://hooks.example:{port}/", "audit.token.create")
        asked = len(names.asked)
        assert asked == 1
        make_a_token(served)
        served.run_jobs()
        assert len(names.asked) > asked
        (delivery,) = log_of(served, webhook)
        shown = ask(served, "GET", f"/webhooks/{webhook['id']}/deliveries/{delivery['id']}").json()
        assert shown["history"][0]["error"] == "target_not_allowed"
    assert receiver.heard == []


def test_the_address_that_was_checked_is_dialed_though_the_name_moves(receiver: Receiver) -> None:
    """The second question of a delivery, if there were one, would lead to a closed port."""
    port = urlsplit(receiver.url).port
    answers = {"hooks.example": [[PRIVATE], [PRIVATE], ["127.0.0.9"]]}
    with (
        dns_server(answers) as names,
        local_server(
            webhook_http=True, dns_server=names.address, egress_allow="127.0.0.0/8"
        ) as served,
    ):
        subscribe(served, f"http://hooks.example:{port}/", "audit.token.create")
        make_a_token(served)
        served.run_jobs()
        assert len(names.asked) == 2
    assert len(receiver.heard) == 1


def test_one_private_address_among_public_ones_is_refused_when_written_down() -> None:
    with (
        dns_server({"hooks.example": [[PUBLIC, PRIVATE]]}) as names,
        local_server(webhook_http=True, dns_server=names.address) as served,
    ):
        body = {"url": "http://hooks.example/", "events": ["audit.token.create"]}
        refused = ask(served, "POST", "/webhooks", body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "target_not_allowed")


def test_only_the_named_server_is_asked() -> None:
    with dns_server({"known.example": [["10.1.2.3"]]}) as names:
        look_up = resolver_at(("127.0.0.1", int(names.address.rpartition(":")[2])))
        assert look_up("known.example", 80) == ["10.1.2.3"]
        for unknown in ("localhost", "other.example", "a" * 64 + ".example", "a..b"):
            with pytest.raises(Unreachable):
                look_up(unknown, 80)
        asked = len(names.asked)
        assert look_up("127.0.0.1", 80) == look_up("127.1", 80) == ["127.0.0.1"]
        assert look_up("::1", 80) == ["::1"]
        assert len(names.asked) == asked
