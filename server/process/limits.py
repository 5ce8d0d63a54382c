"""The limits of a connection: the size of a head, and the lowest speed of a client.

uvicorn's protocol reads without limits of size and time. This protocol limits the size and the time
of a head, the rate of a body, and the time that a client may leave an answer unread. A request
costs a few additions and no timers (`guard.py`).
"""

from __future__ import annotations

import asyncio
from typing import Any

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from novaql.server.errors import (
    Busy,
    HeadTooLarge,
    InvalidRequest,
    ServerError,
    TooSlow,
    UriTooLong,
)
from novaql.server.http.streaming import WAITING, WRITTEN
from novaql.server.process.guard import Guard
from novaql.server.process.refusals import path_of, refusal
from novaql.server.process.unread_answers import Reading, UnreadAnswer

_IDLE, _HEAD, _BODY = range(3)
_SLICE = 4096
"""The size of the slices in which data with several requests may be parsed."""
_MOST_HELD = 1 << 20


class LimitedProtocol(HttpToolsProtocol):
    """HTTP/1.1 within limits. It answers a violation with an error, and closes the connection."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        guard: Guard,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._guard = guard
        self._limits = guard.limits
        self._counted: str | None = None
        self._entered = False
        self._part = _IDLE
        self._has_request = False
        self._since = 0.0  # of the connection, or the last answer, or the current head
        self._answered_at = 0.0
        self._last_byte = 0.0
        self._head_bytes = 0
        self._body_bytes = 0
        self._seen_bytes = 0  # of the body, at the last check
        self._framed_bytes = 0
        self._credit = 0.0  # seconds for which the body may pause
        self._held = b""
        self._deaf = False
        self._refusal = b""
        self._refused_at = 0.0
        self._unread_bytes = 0
        self._reading = Reading(guard.limits.least_rate, guard.limits.idle_s)
        self._plain_head = b""  # of a request with an offer of another protocol, without the offer

    def connection_made(  # type: ignore[override]  # as uvicorn has it
        self, transport: asyncio.Transport
    ) -> None:
        super().connection_made(transport)
        self._since = self.loop.time()
        self._reading.begin(self._since)
        self._guard.watch(self, self.loop)
        if self.client is None:  # a process of this server, on a private socket
            return
        host = self.client[0]
        self._counted = None if self._guard.proxies.trusts(host) else host
        self._entered = self._guard.connections.enter(self._counted)
        if not self._entered:
            self._refuse(Busy("too many connections", headers={"Retry-After": "1"}))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._entered:
            self._entered = False
            self._guard.connections.leave(self._counted)
        self._guard.forget(self)
        self._deaf = True
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._last_byte = self.loop.time()
        if self._deaf:
            self._pass_over(len(data))
            return
        if self._held or self.pipeline:
            # These bytes arrived before reading was paused.
            self._held += data
            self.flow.pause_reading()
            if len(self._held) > _MOST_HELD:
                self._refuse(InvalidRequest("too many requests at once"))
            return
        self._read(data)

    def _pass_over(self, size: int) -> None:
        """Drop data after an answer that did not wait for it. Close the connection if it is too
        much."""
        self._unread_bytes += size
        if self._unread_bytes > self._limits.unread_bytes:
            self.transport.close()

    def _read(self, data: bytes) -> None:
        """Parse slice by slice if the data may contain heads. Hold the rest while requests wait."""
        while data and not self._deaf:
            size = len(data)
            if self._part == _BODY:
                size = min(size, self._limits.head_bytes)
                self._framed_bytes += size
            elif self._part == _HEAD:
                size = min(size, _SLICE, self._limits.head_bytes - self._head_bytes)
                self._head_bytes += size
            else:
                size = self._head_bytes = min(size, _SLICE)
            part, data = (data, b"") if size == len(data) else (data[:size], data[size:])
            self._parse(part)
            if self._part == _HEAD and self._head_bytes >= self._limits.head_bytes:
                self._refuse(self._too_large())
            elif self._part == _BODY:
                self._check_framing()
            if data and self.pipeline:
                self._held, data = data, b""
                self.flow.pause_reading()

    def _parse(self, data: bytes) -> None:
        while data:
            data = self._parse_to_offer(data)

    def _parse_to_offer(self, data: bytes) -> bytes:
        """Parse data up to the end of a head with an offer of another protocol. Return the data to
        parse then: this head without the offer, and all behind it."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            # The parser takes what follows, also a body, as the other protocol.
            head, self._plain_head = self._plain_head, b""
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
            return head + data[offer.args[0] :]
        except httptools.HttpParserCallbackError as problem:
            found = problem.__context__
            malformed = InvalidRequest("the request line is malformed")
            self._refuse(found if isinstance(found, ServerError) else malformed)
        except httptools.HttpParserError as problem:
            self._refuse(InvalidRequest(f"the request is malformed: {problem}"))
        return b""

    # Callbacks of the parser

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._part = _HEAD
        self._since = self.loop.time()

    def on_headers_complete(self) -> None:
        headers = self.headers
        if len(headers) > self._limits.headers:
            raise HeadTooLarge(f"a request has at most {self._limits.headers} headers")
        version = self.parser.get_http_version()
        if version not in ("1.1", "1.0"):
            raise InvalidRequest(f"HTTP/{version} is not spoken here")
        hosts = 0
        for name, value in headers:
            if name == b"host":
                hosts += 1
            elif name == b"transfer-encoding" and (
                value.strip().lower() != b"chunked" or version == "1.0"
            ):
                raise InvalidRequest("Transfer-Encoding can only be chunked, in HTTP/1.1")
            elif name == b"upgrade" and value.lower() == b"websocket":
                raise InvalidRequest("WebSocket is not spoken here", code="no_upgrade")
        if hosts > 1 or (not hosts and version == "1.1"):
            raise InvalidRequest("a request has one Host header")
        if len(self.pipeline) >= self._limits.pipelined:
            raise InvalidRequest("too many requests at once")
        if self.parser.should_upgrade():
            self._plain_head = self._without_offer()
            return
        super().on_headers_complete()
        self.headers = []  # collects trailers; the application does not get them
        self._part, self._has_request = _BODY, True
        self._body_bytes = self._seen_bytes = self._framed_bytes = self._head_bytes = 0
        self._unread_bytes = 0
        self._credit = self._limits.grace_s

    def _without_offer(self) -> bytes:
        """Return the head of the current request without its offer of another protocol."""
        method = self.parser.get_method()
        if method == b"CONNECT":
            raise InvalidRequest("this server is no proxy: CONNECT is not for it")
        version = self.parser.get_http_version().encode()
        lines = [b"%s %s HTTP/%s" % (method, self.url, version)]
        lines += [b"%s: %s" % pair for pair in self.headers if pair[0] != b"upgrade"]
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self.cycle.response_complete:
            self._pass_over(len(body))
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self._plain_head:
            return
        super().on_message_complete()
        self._part = _IDLE
        self._since = self.loop.time()
        self._reading.ahead_s = 0.0

    def on_response_complete(self) -> None:
        """Start the next request. It replaces uvicorn's method, which sets a timer for each
        answer."""
        self.server_state.total_requests += 1
        self._answered_at = self.loop.time()
        if self.transport.is_closing():
            return
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        elif self._refusal:
            self._send_refusal(self._refusal)
        elif self._part == _BODY and self.expect_100_continue and not self._body_bytes:
            self._end()  # the client may send another request in place of the body
        elif self._held:
            held, self._held = self._held, b""
            self.loop.call_soon(self._read, held)
        else:
            self.flow.resume_reading()

    # Timeouts

    def check(self, now: float, passed: float) -> None:
        """Close the connection of a client if it is too slow. Called once a second.

        passed  seconds since the last check
        """
        unsent, written = self.transport.get_write_buffer_size(), self._state().get(WRITTEN, 0)
        reads = self._reading.observe(unsent, written, now, passed)
        if self.client is None:
            return
        if not reads:
            self.transport.abort()
        elif self._deaf or self.transport.is_closing():
            if self._refused_at and now - self._refused_at > self._limits.unread_s:
                self.transport.close()
        elif self._part == _HEAD:
            if now - self._since > self._limits.head_s:
                self._refuse(TooSlow("the request's head took too long"))
        elif self._part == _BODY:
            self._check_body(now, passed)
        elif not self._has_request:
            if now - self._since > self._limits.head_s:
                self.transport.close()
        elif self.cycle.response_complete and now - self._answered_at > self._limits.keep_alive_s:
            self.transport.close()

    def _state(self) -> dict[str, Any]:
        """Return the state of the current request, or nothing before the first."""
        cycle: RequestResponseCycle | None = self.cycle
        return {} if cycle is None else cycle.scope["state"]

    def unread_answer(self) -> UnreadAnswer | None:
        """Return the answer that the client has not read to its end, if there is one."""
        octets = self.transport.get_write_buffer_size()
        state = self._state()
        octets += state.get(WAITING, 0)
        if octets == 0:
            return None
        principal = state.get("principal")
        tenant = "" if principal is None else principal.tenant_id
        return UnreadAnswer(tenant, octets, -self._reading.ahead_s, self.transport)

    def _check_body(self, now: float, passed: float) -> None:
        if self.cycle.response_complete:
            if now - self._answered_at > self._limits.unread_s:
                self.transport.close()
            return
        if self.flow.read_paused or self._held or self.cycle.waiting_for_100_continue:
            self._last_byte = now  # the client waits for this server
            return
        came, self._seen_bytes = self._body_bytes - self._seen_bytes, self._body_bytes
        self._credit += came / self._limits.least_rate - min(passed, now - self._since)
        self._credit = min(self._credit, self._limits.idle_s)
        if self._credit < 0 or now - self._last_byte > self._limits.idle_s:
            self._refuse(TooSlow("the request's body came too slowly"))

    # Rejection

    def send_400_response(self, msg: str) -> None:
        """uvicorn's error answer, in the format of the API's errors."""
        self._refuse(InvalidRequest(msg))

    def _too_large(self) -> ServerError:
        most = self._limits.head_bytes
        if len(self.url) * 2 > self._head_bytes:
            return UriTooLong(f"a request line and its headers have at most {most} bytes")
        return HeadTooLarge(f"a request's headers have at most {most} bytes")

    def _check_framing(self) -> None:
        framing = self._framed_bytes - self._body_bytes
        if framing > self._limits.framing_bytes + self._limits.framing * self._body_bytes:
            self._refuse(InvalidRequest("the body has too much between its chunks"))

    def _refuse(self, error: ServerError) -> None:
        """Answer the current request with an error, after the answers to earlier requests."""
        self._deaf, self._held = True, b""
        target = getattr(self, "url", b"")
        words = refusal(error, path_of(target), self._guard.telemetry)
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.response_complete:
            self._send_refusal(words)
        elif self._part == _BODY:  # of the newest request, whose body is incomplete
            cycle.disconnected = True
            cycle.message_event.set()
            if self.pipeline:
                self.pipeline.popleft()
                self._refusal = words
            elif cycle.response_started:
                self.transport.close()
            else:
                self._send_refusal(words)
        else:
            self._refusal = words

    def _send_refusal(self, words: bytes) -> None:
        self.transport.write(words)
        self._end()

    def _end(self) -> None:
        """Answer no more. Read and drop further data, so that the client can read the last
        answer."""
        self._deaf, self._refused_at = True, self.loop.time()
        if self._entered and self.transport.can_write_eof():
            self.transport.write_eof()
            self.flow.resume_reading()
        else:
            self.transport.close()
