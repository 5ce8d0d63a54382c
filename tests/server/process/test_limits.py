"""What a connection may send: heads, bodies, pipelines, and how slowly."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import orjson
import pytest

from novaql.server.process.connections import Connections
from novaql.server.process.guard import Limits
from novaql.server.process.shared_counts import SharedCounts
from tests.support.servers.http_server import LocalServer, local_server
from tests.support.servers.raw_http import Heard, answer_to, connected, until_closed

QUICK = Limits(head_s=0.5, grace_s=0.5, idle_s=2.0, keep_alive_s=1.5, unread_s=0.5)
"""Times that a test can wait for; the server looks once a second."""
GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST /v1/novaql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
CLOSE = b"Connection: close\r\n\r\n"


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    with local_server(limits=QUICK) as made:
        yield made


def url(server: LocalServer) -> str:
    return str(server.client.base_url)


def authorized(server: LocalServer) -> bytes:
    return f"Authorization: {server.bearer()['Authorization']}\r\n".encode()


def is_closed_while_sending(connection: socket.socket, part: bytes, pause_s: float = 0) -> bool:
    """Whether the server closes while the same bytes are sent again and again, for 30 s at most."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            connection.sendall(part)
        except ConnectionError:
            return True
        time.sleep(pause_s)
    return False


def code(answer: Heard) -> str:
    """The code of the envelope, which has the same id as the header."""
    error = orjson.loads(answer.body)["error"]
    assert error["request_id"] == answer.headers["x-request-id"]
    assert answer.headers["connection"] == "close"
    assert isinstance(error["code"], str)
    return error["code"]


def test_a_head_of_64_kb_is_answered_and_a_longer_one_is_not(server: LocalServer) -> None:
    rest = len(GET + b"X: \r\n" + CLOSE)
    most = GET + b"X: " + b"a" * (65536 - rest) + b"\r\n" + CLOSE
    assert answer_to(url(server), most).status == 200

    answer = answer_to(url(server), most.replace(b"X: ", b"X: a", 1))
    assert (answer.status, code(answer)) == (431, "head_too_large")


@pytest.mark.slow
def test_a_long_header_is_refused_though_it_comes_in_pieces(server: LocalServer) -> None:
    with connected(url(server)) as connection:
        connection.sendall(GET + b"X: ")
        assert is_closed_while_sending(connection, b"a" * 4096)


def test_101_headers_are_too_many(server: LocalServer) -> None:
    lines = b"".join(b"X-%d: 1\r\n" % number for number in range(98))
    assert answer_to(url(server), GET + lines + CLOSE).status == 200

    answer = answer_to(url(server), GET + lines + b"Y: 1\r\n" + CLOSE)
    assert (answer.status, code(answer)) == (431, "head_too_large")


def test_a_long_request_line_is_told_from_long_headers(server: LocalServer) -> None:
    line = b"GET /v1/nothing?" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: localhost\r\n" + CLOSE
    answer = answer_to(url(server), line)
    assert (answer.status, code(answer)) == (414, "uri_too_long")


def test_errors_of_the_parser_have_the_shape_of_their_base(server: LocalServer) -> None:
    broken = b" HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n"
    api = answer_to(url(server), b"POST /v1/novaql" + broken)
    assert (api.status, code(api)) == (400, "validation_error")
    assert api.headers["api-version"]

    for path in (b"/api/v1/query", b"/prometheus/api/v1/query"):
        prometheus = answer_to(url(server), b"POST " + path + broken)
        assert prometheus.status == 400
        assert orjson.loads(prometheus.body)["errorType"] == "bad_data"
        assert prometheus.headers["x-request-id"].startswith("req_")

    scim = answer_to(url(server), b"POST http://localhost/scim/v2/Users" + broken)
    assert scim.headers["content-type"] == "application/scim+json"
    assert orjson.loads(scim.body)["status"] == "400"


@pytest.mark.parametrize(
    "raw",
    [
        b"\x16\x03\x01\x02\x00\x01",
        b"FROB / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/2.0\r\nHost: localhost\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"CONNECT localhost:1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n\r\n",
        GET + b"Host: other\r\n\r\n",
        GET + b"X: a\r\n b\r\n\r\n",
        GET + b"X : a\r\n\r\n",
        GET + b"X: a\0\r\n\r\n",
        POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
        POST + b"Content-Length: 2, 2\r\n\r\n{}",
        POST + b"Content-Length: +2\r\n\r\n{}",
        POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: identity\r\n\r\n{}",
        POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        POST.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\n2;" + b"x" * 40_000,
        POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: " + b"x" * 40_000,
        GET + b"Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\n\r\n",
    ],
)
def test_what_can_be_read_in_two_ways_is_a_400(server: LocalServer, raw: bytes) -> None:
    assert answer_to(url(server), raw).status == 400


def test_a_refused_coding_does_nothing_before(server: LocalServer) -> None:
    made = b'{"name": "smuggled", "role": "read_only"}'
    head = b"POST /v1/tokens HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    coding = b"Transfer-Encoding: identity\r\n\r\n"
    assert answer_to(url(server), head + authorized(server) + coding + made).status == 400
    listed = server.client.get("/v1/tokens", headers=server.bearer()).json()["data"]
    assert "smuggled" not in [token["name"] for token in listed]


def test_a_length_may_begin_with_thousands_of_zeros(server: LocalServer) -> None:
    query = b'{"query": "1"}'
    length = b"Content-Length: %s%d\r\n" % (b"0" * 5000, len(query))
    raw = POST + authorized(server) + length + CLOSE + query
    assert answer_to(url(server), raw).status == 200


def test_trailers_are_not_headers(server: LocalServer) -> None:
    body = b"2\r\n{}\r\n0\r\nAuthorization: Bearer x\r\n\r\n"
    raw = POST + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n" + body
    answer = answer_to(url(server), raw)
    assert answer.status == 401
    assert "invalid_token" not in answer.headers["www-authenticate"]


def test_small_chunks_are_read(server: LocalServer) -> None:
    body = b'{"query": "1 + 1"}'
    chunks = b"".join(b"1\r\n" + bytes([byte]) + b"\r\n" for byte in body) + b"0\r\n\r\n"
    head = POST + authorized(server) + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = answer_to(url(server), head + chunks)
    assert answer.status == 200, answer.body


def test_pipelined_requests_are_answered_in_order(server: LocalServer) -> None:
    asked = [b"/healthz", b"/nothing"] * 600
    requests = b"".join(b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\n\r\n" for path in asked)
    with connected(url(server)) as connection:
        connection.sendall(requests + b"BROKEN\r\n\r\n")
        came = until_closed(connection)
    statuses = [int(part[:3]) for part in came.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [200, 404] * 600 + [400]


def test_a_request_in_old_http_is_answered_and_the_connection_closed(server: LocalServer) -> None:
    assert answer_to(url(server), b"GET /healthz HTTP/1.0\r\n\r\n").status == 200


OFFER = b"Connection: Upgrade\r\nUpgrade: h2c\r\n"
"""Java's client makes it with the first request over plain HTTP."""


def test_an_offer_of_http_2_is_passed_over(server: LocalServer) -> None:
    with connected(url(server)) as connection:
        connection.sendall((GET + OFFER + b"\r\n") * 2 + GET + CLOSE)
        assert until_closed(connection).count(b'{"status":"ok"}') == 3


@pytest.mark.parametrize("pieces", [1, 7, 400])
def test_a_body_behind_an_offer_of_http_2_is_read(server: LocalServer, pieces: int) -> None:
    """It may contain samples: an answer without having read them would lose them."""
    query = b'{"query": "1 + 1", "time": 0}'
    head = POST + authorized(server) + OFFER
    plain = head + b"Content-Length: %d\r\n\r\n%s" % (len(query), query)
    chunks = b"4\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n" % (query[:4], len(query) - 4, query[4:])
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks
    raw = plain + chunked + plain + GET + CLOSE
    with connected(url(server)) as connection:
        size = -(-len(raw) // pieces)
        for at in range(0, len(raw), size):
            connection.sendall(raw[at : at + size])
        received = until_closed(connection)
    assert received.count(b'"result":[0,2]') == 3
    assert received.count(b'{"status":"ok"}') == 1


def test_many_offers_in_a_slice_are_read_one_after_another(server: LocalServer) -> None:
    short = b"GET /healthz HTTP/1.1\r\nHost:a\r\nUpgrade:x\r\nConnection:upgrade\r\n\r\n"
    with connected(url(server)) as connection:
        connection.sendall(short * 2000 + GET + CLOSE)
        assert until_closed(connection).count(b'{"status":"ok"}') == 2001


def test_an_answer_before_a_body_that_the_client_holds_back_ends_the_connection(
    server: LocalServer,
) -> None:
    """Its next request in place of the body would be read as the body."""
    head = (
        b"POST /v1/novaql HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
        b"Content-Type: application/json\r\nContent-Length: 15\r\n\r\n"
    )
    with connected(url(server)) as connection:
        connection.sendall(head)
        answers = connection.recv(65536)
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        answers += until_closed(connection)
    assert answers.startswith(b"HTTP/1.1 401 ")
    assert answers.count(b"HTTP/1.1 ") == 1
    with connected(url(server)) as connection:
        connection.sendall(head.replace(b"Host: x\r\n", b"Host: x\r\n" + authorized(server)))
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b'{"query":"1+1"}')
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_connect_is_a_400(server: LocalServer) -> None:
    for target in (b"example.com:443", b"/healthz"):
        request = b"CONNECT %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % target
        answer = answer_to(url(server), request + GET + CLOSE)
        assert answer.status == 400
        assert "no proxy" in answer.body.decode()


@pytest.mark.slow
def test_a_slow_head_is_a_408(server: LocalServer) -> None:
    with connected(url(server)) as connection:
        connection.sendall(GET)
        answer = until_closed(connection)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"request_timeout" in answer


@pytest.mark.slow
def test_a_head_that_trickles_is_a_408(server: LocalServer) -> None:
    with connected(url(server)) as connection:
        connection.sendall(GET)
        assert is_closed_while_sending(connection, b"X: 1\r\n", pause_s=0.1)


@pytest.mark.slow
def test_a_connection_without_a_request_is_closed_in_silence(server: LocalServer) -> None:
    with connected(url(server)) as connection:
        assert until_closed(connection) == b""


@pytest.mark.slow
def test_an_idle_connection_is_closed_whatever_blank_lines_it_sends(server: LocalServer) -> None:
    with connected(url(server)) as connection:
        connection.sendall(GET + b"\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        assert is_closed_while_sending(connection, b"\r\n", pause_s=0.1)


@pytest.mark.slow
def test_a_slow_body_is_a_408(server: LocalServer) -> None:
    head = POST + authorized(server) + b"Content-Length: 100000\r\n\r\n"
    with connected(url(server)) as connection:
        connection.sendall(head + b" " * 100)
        answer = until_closed(connection)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"request_timeout" in answer


@pytest.mark.slow
def test_a_body_may_take_its_time_if_it_keeps_the_rate(server: LocalServer) -> None:
    body = b'{"query": "1 + 1"}' + b" " * 200_000
    head = POST + authorized(server) + f"Content-Length: {len(body)}\r\n".encode() + CLOSE
    with connected(url(server)) as connection:
        connection.sendall(head)
        for start in range(0, len(body), 5000):
            connection.sendall(body[start : start + 5000])
            time.sleep(0.07)
        assert until_closed(connection).startswith(b"HTTP/1.1 200 ")


@pytest.mark.slow
def test_early_bytes_do_not_buy_a_long_wait(server: LocalServer) -> None:
    """All that came at once counts for no more than the time that a body may be idle."""
    head = POST + authorized(server) + b"Content-Length: 1000000\r\n\r\n"
    with connected(url(server)) as connection:
        connection.sendall(head + b" " * 900_000)
        assert is_closed_while_sending(connection, b" ", pause_s=0.1)


@pytest.mark.slow
def test_a_body_that_is_not_read_ends_in_time(server: LocalServer) -> None:
    head = POST + b"Content-Length: 100000\r\n\r\n"  # without a token: answered at once
    with connected(url(server)) as connection:
        connection.sendall(head)
        assert is_closed_while_sending(connection, b" " * 100, pause_s=0.1)


@pytest.mark.slow
def test_a_client_that_takes_no_answer_is_cut_off(server: LocalServer) -> None:
    with connected(url(server)) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        request = b"GET /v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
        assert is_closed_while_sending(connection, request, pause_s=0.01)


def test_one_address_has_so_many_connections() -> None:
    with (
        local_server(max_connections_per_address=5, max_connections=8) as server,
        ExitStack() as stack,
    ):

        def is_admitted(source: str) -> bool:
            """Whether a connection from there, which is left open, has a request answered."""
            connection = stack.enter_context(connected(url(server), source=source))
            with suppress(ConnectionError):
                connection.sendall(GET + b"\r\n")
            answer = connection.recv(65536)
            assert answer.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 503 ")), answer
            return answer.startswith(b"HTTP/1.1 200 ")

        assert [is_admitted("127.0.0.1") for _ in range(6)] == [True] * 5 + [False]
        refused = answer_to(url(server), GET + CLOSE)
        assert (refused.status, code(refused)) == (503, "busy")
        assert refused.headers["retry-after"] == "1"
        others = [is_admitted(f"127.0.0.{number}") for number in range(2, 7)]
        assert others == [True] * 3 + [False] * 2

        stack.close()
        end = time.monotonic() + 30
        while answer_to(url(server), GET + CLOSE).status != 200:
            assert time.monotonic() < end


def test_processes_share_their_counts() -> None:
    shared = SharedCounts.made(2)
    one, two = (Connections(most=4, most_an_address=3, shared=shared, row=row) for row in range(2))
    assert [one.enter("127.0.0.1"), two.enter("127.0.0.1"), one.enter("127.0.0.1")] == [True] * 3
    assert not two.enter("127.0.0.1")
    assert two.enter("127.0.0.2")
    assert not one.enter("127.0.0.3")
    two.leave("127.0.0.2")
    assert one.enter(None)
    shared.clear(0)  # a process that was killed
    assert [two.enter("127.0.0.1"), two.enter("127.0.0.1")] == [True, True]
    assert not two.enter("127.0.0.1")
    os.close(shared.descriptor)


def test_one_client_has_a_network_of_ipv6() -> None:
    counts = Connections(most=0, most_an_address=2)
    assert counts.enter("2001:db8::1")
    assert counts.enter("2001:db8::ffff:2")
    assert not counts.enter("2001:db8::3")
    assert counts.enter("2001:db8:0:1::3")
    assert counts.enter("::ffff:10.0.0.1")
    assert counts.enter("10.0.0.1")
    assert not counts.enter("10.0.0.1")
