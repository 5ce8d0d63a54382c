"""Each way to fail has its reason, and addresses that are not public are not dialed."""

from __future__ import annotations

import dataclasses
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from novaql.server.addresses import parse_networks
from novaql.server.clock import SystemClock
from novaql.server.egress.dialer import Dialer
from novaql.server.egress.errors import Unreachable
from novaql.server.integrations.exchange import Exchange
from novaql.server.integrations.oauth import refresh
from novaql.server.integrations.provider import OAuthClient, ProviderFault, Reason
from tests.support.servers.fake_provider import KEY, fake_provider
from tests.support.servers.integration_rig import integration_rig

LOOPBACK = parse_networks("127.0.0.0/8")


def reason(url: str, dialer: Dialer, timeout_s: float = 5.0) -> Reason:
    exchange = Exchange(dialer, SystemClock(), timeout_s, 1000)
    with pytest.raises(ProviderFault) as found:
        exchange.send("GET", url)
    return found.value.reason


@contextmanager
def listener(*, answers: bytes | None) -> Iterator[tuple[int, list[int]]]:
    """A port that accepts connections and sends some bytes, or nothing. The list grows with each
    connection."""
    seen: list[int] = []
    ends: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                seen.append(1)
                ends.append(connection)
                if answers is not None:
                    connection.recv(4096)
                    connection.sendall(answers)
                    connection.close()

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1], seen
        server.shutdown(socket.SHUT_RDWR)
    for one in ends:
        one.close()


@pytest.mark.slow
def test_unknown_names_timeouts_and_bad_certificates() -> None:
    def unknown(host: str, port: int) -> Sequence[str]:  # noqa: ARG001
        raise Unreachable("dns", f"{host} has no address")

    assert reason("https://nothing.example/", Dialer(resolver=unknown)) is Reason.DNS
    with listener(answers=None) as (port, _):
        assert reason(f"http://127.0.0.1:{port}/", Dialer(LOOPBACK), 0.3) is Reason.TIMEOUT
    with listener(answers=b"HTTP/1.1 200 OK\r\n\r\n") as (port, _):
        assert reason(f"https://127.0.0.1:{port}/", Dialer(LOOPBACK)) is Reason.TLS
    with listener(answers=b"nonsense") as (port, _):
        assert reason(f"http://127.0.0.1:{port}/", Dialer(LOOPBACK)) is Reason.PROVIDER_ERROR


def test_a_token_endpoint_may_require_a_wait() -> None:
    answers = b"HTTP/1.1 429 x\r\nRetry-After: 77\r\nContent-Length: 2\r\n\r\n{}"
    exchange = Exchange(Dialer(LOOPBACK), SystemClock(), 5.0, 1000)
    with listener(answers=answers) as (port, _):
        client = OAuthClient(token_url=f"http://127.0.0.1:{port}/", client_id="c")
        with pytest.raises(ProviderFault) as found:
            refresh(exchange, client, "again", exchange.clock.now())

    assert (found.value.reason, found.value.retry_after_s) == (Reason.RATE_LIMITED, 77)


@pytest.mark.parametrize("host", ["127.0.0.1", "169.254.169.254", "10.0.0.1", "[::1]", "0.0.0.0"])
def test_addresses_that_are_not_public_are_blocked(host: str) -> None:
    assert reason(f"http://{host}:9/", Dialer()) is Reason.BLOCKED


def test_a_blocked_listener_sees_no_connection() -> None:
    with listener(answers=None) as (port, seen):
        assert reason(f"http://127.0.0.1:{port}/", Dialer()) is Reason.BLOCKED
        assert seen == []


def test_a_name_that_changes_its_answer_is_blocked_at_the_next_request() -> None:
    answers = ["127.0.0.1"]
    with integration_rig() as rig:
        rig.connect_key()
        context = rig.server.context
        blocked = dataclasses.replace(context.dialer, allowed=(), resolver=lambda *_: answers)
        rig.server.app.state.context = dataclasses.replace(context, dialer=blocked, views={})
        before = len(rig.fake.asked)
        tested = rig.post("/fake/test")

        assert (tested["ok"], tested["reason_code"]) == (False, "blocked")
        assert len(rig.fake.asked) == before


def test_redirects_are_not_followed_and_credentials_stay_at_their_origin() -> None:
    with integration_rig() as rig, fake_provider() as other:
        rig.connect_key()
        rig.fake.fail("/me", (302, {"to": f"{other.url}/me"}))

        tested = rig.post("/fake/test")
        assert tested["reason_code"] == "provider_error"
        assert "redirects are not followed" in tested["detail"]
        assert other.asked == []


def test_the_fake_provider_needs_its_setting() -> None:
    with integration_rig(integrations_fake_url="") as rig:
        assert rig.ask("POST", "/fake/connect", {"api_key": KEY}).status_code == 404
        assert "fake" not in [one["name"] for one in rig.get("/providers")["data"]]
    with integration_rig() as rig:
        assert "fake" in [one["name"] for one in rig.get("/providers")["data"]]
