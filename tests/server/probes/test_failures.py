"""What can be wrong with a target: each has a reason of its own, within the timeout."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from novaql.server.addresses import parse_networks
from novaql.server.egress.dialer import Dialer
from novaql.server.egress.errors import Unreachable
from novaql.server.probes.browser_check import MOST_BROWSERS, slot
from novaql.server.probes.deadline import ProbeCancelled
from novaql.server.probes.execute import execute, tls_context
from novaql.server.probes.result import Outcome, Screenshot, without_secrets
from novaql.server.probes.spec import ProbeSpec
from tests.support.peers.authority import Authority
from tests.support.peers.probed import answering, head_of, http, probed

LOOPBACK = parse_networks("127.0.0.0/8")


def run(
    target: str, *, tls: ssl.SSLContext | None = None, dialer: Dialer | None = None, **fields: Any
) -> Outcome:
    spec = ProbeSpec.model_validate(
        {"kind": "http", "target": target, "timeout_s": 2.0, "retry_delay_s": 0.0, **fields}
    )
    began = time.monotonic()
    found = execute(spec, dialer or Dialer(LOOPBACK), tls or tls_context(), threading.Event())
    assert time.monotonic() - began < spec.timeout_s * (spec.retries + 1) + 10
    return found


def reason(target: str, **fields: Any) -> str | None:
    found = run(target, **fields)
    assert found.status == "failure"
    return found.failure_reason


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


def test_a_name_without_address() -> None:
    def unknown(host: str, port: int) -> Sequence[str]:  # noqa: ARG001
        raise Unreachable("dns", "no")

    assert reason("http://shop.example/", dialer=Dialer(LOOPBACK, unknown)) == "dns"


@pytest.mark.slow
def test_a_resolver_that_does_not_answer_ends_within_the_timeout() -> None:
    asked = threading.Event()

    def slow(host: str, port: int) -> Sequence[str]:  # noqa: ARG001
        asked.wait(30)
        return ["127.0.0.1"]

    assert reason("http://a.example/", dialer=Dialer(LOOPBACK, slow), timeout_s=0.4) == "dns"
    asked.set()


def test_a_closed_port() -> None:
    assert reason(f"http://127.0.0.1:{free_port()}/") == "connect"


def test_certificates(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    trusting = tls_context(authority.file)
    talk = answering(http(200))
    found = {}
    for name, options in {
        "good": {},
        "expired": {"days": -1},
        "other name": {"host": "other.test"},
    }.items():
        with probed(talk, authority.server(**options)) as peer:  # type: ignore[arg-type]
            found[name] = run(f"https://127.0.0.1:{peer.port}/", tls=trusting)
    with probed(talk, authority.server()) as peer:
        found["untrusted"] = run(f"https://127.0.0.1:{peer.port}/")
    assert {name: one.failure_reason for name, one in found.items()} == {
        "good": None,
        "expired": "tls_expired",
        "other name": "tls_name",
        "untrusted": "tls_untrusted",
    }
    assert found["good"].tls_version == "TLSv1.3"
    assert "tls" in found["good"].phases
    expires = found["good"].certificate_expires_s
    assert expires is not None
    assert 29 < (expires - time.time()) / 86_400 < 30.1


def test_the_expiry_of_a_certificate_is_asserted(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    wanted = [{"source": "certificate", "op": "greater_than", "value": 14}]
    with probed(answering(http(200)), authority.server(days=3)) as peer:
        found = run(
            f"https://127.0.0.1:{peer.port}/", tls=tls_context(authority.file), assertions=wanted
        )
    assert found.failure_reason == "assertion_certificate"


def test_what_speaks_no_tls() -> None:
    with probed(lambda sock: sock.sendall(b"SSH-2.0-x\r\n" * 5)) as peer:
        assert reason(f"https://127.0.0.1:{peer.port}/") == "tls"


def test_redirects() -> None:
    with probed(answering(http(302, location="/again"))) as peer:
        assert reason(f"{peer.url}/") == "redirect_loop"
    heads: list[bytes] = []

    def onward(sock: socket.socket) -> None:
        heads.append(head_of(sock))
        sock.sendall(http(302, location=f"/{len(heads)}"))

    with probed(onward) as peer:
        assert reason(f"{peer.url}/start") == "too_many_redirects"
        assert len(heads) == 11
    with probed(answering(http(302, location="/x"), http(200))) as peer:
        followed = run(f"{peer.url}/")
        assert (followed.status, followed.redirects, followed.http_status) == ("success", 1, 200)
    with probed(answering(http(302, location="/x"))) as peer:
        wanted = [{"source": "status", "op": "equals", "value": 302}]
        stays = {"follow_redirects": False}
        assert run(f"{peer.url}/", request=stays, assertions=wanted).status == "success"


def test_a_body_that_is_too_large() -> None:
    def endless(sock: socket.socket) -> None:
        head_of(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        while True:
            sock.sendall(b"x" * 65_536)

    with probed(endless) as peer:
        assert reason(f"{peer.url}/", timeout_s=5.0) == "body_too_large"
    with probed(answering(http(200, b"x" * 10_000_000))) as peer:
        assert reason(f"{peer.url}/", timeout_s=5.0) == "body_too_large"


@pytest.mark.slow
def test_slow_answers() -> None:
    def silent(sock: socket.socket) -> None:
        head_of(sock)
        time.sleep(3)

    def drip(sock: socket.socket) -> None:
        head_of(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            sock.sendall(b"X: y\r\n")
            time.sleep(0.05)

    def drip_body(sock: socket.socket) -> None:
        head_of(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            sock.sendall(b"x")
            time.sleep(0.05)

    found = {}
    for talk in (silent, drip, drip_body):
        with probed(talk) as peer:
            found[talk.__name__] = reason(f"{peer.url}/", timeout_s=0.6)
    assert found == {"silent": "timeout", "drip": "slow_header", "drip_body": "timeout"}


def test_what_is_no_http() -> None:
    with probed(answering(b"hello\r\n\r\n")) as peer:
        assert reason(f"{peer.url}/") == "protocol"

    def hang_up(sock: socket.socket) -> None:
        head_of(sock)

    with probed(hang_up) as peer:
        assert reason(f"{peer.url}/") in ("protocol", "connection_lost")


def test_retries_end_with_the_first_success() -> None:
    with probed(answering(http(503), http(503), http(200))) as peer:
        found = run(f"{peer.url}/", retries=3)
        assert (found.status, found.attempts, peer.connections) == ("success", 3, 3)
    with probed(answering(http(503))) as peer:
        found = run(f"{peer.url}/", retries=1)
        assert (found.failure_reason, found.attempts) == ("assertion_status", 2)


@pytest.mark.slow
def test_a_cancelled_run_ends_soon() -> None:
    over = threading.Event()

    def silent(sock: socket.socket) -> None:
        head_of(sock)
        over.wait(30)

    cancelled = threading.Event()
    spec = ProbeSpec.model_validate({"kind": "http", "target": "", "timeout_s": 30.0})
    with probed(silent) as peer:
        threading.Timer(0.3, cancelled.set).start()
        began = time.monotonic()
        with pytest.raises(ProbeCancelled):
            execute(
                spec.model_copy(update={"target": peer.url}),
                Dialer(LOOPBACK),
                tls_context(),
                cancelled,
            )
        assert time.monotonic() - began < 20
        over.set()


@pytest.mark.slow
def test_tcp() -> None:
    def echo(sock: socket.socket) -> None:
        sock.sendall(b"220 ready\r\n")
        sock.sendall(b"got " + sock.recv(100))
        time.sleep(1)

    def tcp(exchange: Mapping[str, Any], port: int) -> Outcome:
        return run(f"127.0.0.1:{port}", kind="tcp", timeout_s=0.7, exchange=exchange)

    with probed(echo) as peer:
        assert tcp({}, peer.port).status == "success"
        fine = tcp({"send": "ping\n", "expect": "220.*\\n"}, peer.port)
        assert fine.status == "success"
        assert tcp({"send": "ping\n", "expect": "got ping"}, peer.port).status == "success"
        assert tcp({"expect": "^nope"}, peer.port).failure_reason == "expect"
    assert tcp({}, free_port()).failure_reason == "connect"


def test_secrets_are_sent_to_the_origin_only_and_masked_in_results() -> None:
    secret = "s3cr3t-value"
    first: list[bytes] = []
    second: list[bytes] = []
    with (
        probed(answering(http(200, secret.encode()), heads=second)) as other,
        probed(answering(http(307, location=f"{other.url}/x"), heads=first)) as peer,
    ):
        found = run(
            f"{peer.url}/",
            request={"headers": {"X-Key": "key {{KEY}}", "X-Plain": "p"}},
            secrets={"KEY": secret},
            assertions=[{"source": "body", "op": "not_contains", "value": secret}],
        )
    assert b"X-Key: key s3cr3t-value" in first[0]
    assert secret.encode() not in second[0]
    assert b"X-Plain: p" in second[0]
    assert found.failure_reason == "assertion_body"
    assert secret not in found.model_dump_json()


@pytest.mark.slow
def test_an_answer_without_end_ends_at_the_timeout() -> None:
    """Data is always there, so that the probe never waits."""

    def flood(sock: socket.socket) -> None:
        head_of(sock)
        while True:
            sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 200)

    def chunks(sock: socket.socket) -> None:
        head_of(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            sock.sendall(b"1;" + b"x" * 1000 + b"\r\ny\r\n")

    def banner(sock: socket.socket) -> None:
        while True:
            sock.sendall(b"x")

    with probed(flood) as peer:
        assert reason(f"{peer.url}/", timeout_s=1.0) in ("slow_header", "body_too_large")
    with probed(chunks) as peer:
        assert reason(f"{peer.url}/", timeout_s=1.0) in ("timeout", "body_too_large")
    with probed(banner) as peer:
        found = reason(
            f"127.0.0.1:{peer.port}", kind="tcp", timeout_s=1.0, exchange={"expect": "a+b"}
        )
        assert found in ("expect", "body_too_large")


def test_a_long_secret_is_masked_before_a_detail_is_cut() -> None:
    secret = "eyJ'" + "x1" * 200
    with probed(answering(http(200, x_echo=secret))) as peer:
        found = run(
            f"{peer.url}/",
            secrets={"KEY": secret},
            assertions=[{"source": "header", "name": "X-Echo", "op": "equals", "value": "other"}],
        )
    assert found.detail == "X-Echo is '***'; expected: equals 'other'"


def test_a_short_secret_is_masked_in_details_only() -> None:
    """It occurs in other fields by accident."""
    short = {"A": "success", "B": "127", "C": "HTTP", "D": "status"}
    with probed(answering(http(200, b"HTTP"))) as peer:
        found = run(
            f"{peer.url}/",
            secrets=short,
            assertions=[{"source": "body", "op": "not_contains", "value": "HTTP"}],
        )
        good = run(f"{peer.url}/", secrets=short)
    assert "HTTP" not in found.detail
    assert (good.status, good.address, good.http_version) == ("success", "127.0.0.1", "HTTP/1.1")
    picture = Outcome(status="success", screenshots=[Screenshot(name="a", png="UElO")])
    assert without_secrets(picture, ["UEl"]) == picture


def test_a_secret_is_masked_in_other_encodings() -> None:
    secret = 'p&ss"w/rd'
    with probed(answering(http(200, x_echo="a p%26ss%22w%2Frd b"))) as peer:
        found = run(
            f"{peer.url}/",
            secrets={"KEY": secret},
            assertions=[{"source": "header", "name": "X-Echo", "op": "equals", "value": "other"}],
        )
    assert found.detail.startswith("X-Echo is 'a *** b'")


@pytest.mark.slow
def test_a_busy_resolver_says_nothing_about_the_target(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Event()

    def slow(host: str, port: int) -> Sequence[str]:  # noqa: ARG001
        gate.wait(30)
        return ["127.0.0.1"]

    with ThreadPoolExecutor(1) as pool:
        monkeypatch.setattr("novaql.server.probes.lookups._POOL", pool)
        pool.submit(slow, "other.example", 80)
        found = run("http://a.example/", dialer=Dialer(LOOPBACK, slow), timeout_s=0.4)
        gate.set()
    assert (found.status, found.failure_reason) == ("unavailable", "runner_unavailable")


@pytest.mark.slow
def test_a_flow_that_gets_no_browser_says_nothing_about_the_target() -> None:
    with ExitStack() as others:
        for _ in range(MOST_BROWSERS):
            others.enter_context(slot(60, threading.Event()))
        found = run("http://127.0.0.1:1/", kind="browser", timeout_s=0.3)
    assert (found.status, found.detail) == ("unavailable", "all browsers of the runner are busy")
