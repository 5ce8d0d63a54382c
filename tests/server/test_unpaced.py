"""Connections from this machine are not paced; others are left as they are."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from novaql.server.corked import CorkedProtocol
from novaql.server.unpaced import CONGESTION_CONTROL, unpace

ALLOWED = Path("/proc/sys/net/ipv4/tcp_allowed_congestion_control")

OTHERS = [
    name.encode()
    for name in (ALLOWED.read_text().split() if ALLOWED.exists() else [])
    if name.encode() != CONGESTION_CONTROL
]

linux_with_a_choice = pytest.mark.skipif(
    not OTHERS or CONGESTION_CONTROL.decode() not in ALLOWED.read_text().split(),
    reason="needs Linux where every user may choose Reno and another congestion control: "
    "sysctl net.ipv4.tcp_allowed_congestion_control",
)


def paced(connection: socket.socket) -> socket.socket:
    """With a control that is another one, whatever the system's is."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, OTHERS[0])
    return connection


class Connected:
    """A transport that comes from somewhere."""

    def __init__(self, connection: socket.socket | None, peer: Any) -> None:
        self._known = {"socket": connection, "peername": peer}

    def get_extra_info(self, name: str) -> Any:
        return self._known.get(name)


def control_of(connection: socket.socket) -> bytes:
    found = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16)
    return found.rstrip(b"\0")


def unpaced(connection: socket.socket | None, peer: Any) -> None:
    unpace(Connected(connection, peer))  # type: ignore[arg-type]


@linux_with_a_choice
@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.0.1", "::1"])
def test_a_connection_from_this_machine_is_not_paced(peer: str) -> None:
    with paced(socket.socket()) as connection:
        unpaced(connection, (peer, 4711))
        assert control_of(connection) == CONGESTION_CONTROL


@linux_with_a_choice
@pytest.mark.parametrize("peer", [("192.0.2.7", 4711), ("2001:db8::7", 4711, 0, 0), "", None])
def test_others_are_left_as_they_are(peer: Any) -> None:
    with paced(socket.socket()) as connection:
        unpaced(connection, peer)
        assert control_of(connection) == OTHERS[0]


def test_a_connection_that_cannot_choose_is_served_all_the_same() -> None:
    one, other = socket.socketpair()
    with one, other:
        unpaced(one, ("127.0.0.1", 4711))  # not TCP: the system refuses
    unpaced(None, ("127.0.0.1", 4711))


@linux_with_a_choice
def test_the_server_does_not_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []
    made: Callable[..., None] = CorkedProtocol.connection_made

    def connection_made(self: CorkedProtocol, transport: asyncio.Transport) -> None:
        made(self, transport)
        seen.append(control_of(transport.get_extra_info("socket")))

    monkeypatch.setattr(CorkedProtocol, "connection_made", connection_made)

    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - ASGI
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def ask() -> bytes:
        # What is accepted has the control of what listens.
        with paced(socket.create_server(("127.0.0.1", 0))) as listening:
            server = uvicorn.Server(uvicorn.Config(app, http=CorkedProtocol, lifespan="off"))
            serving = asyncio.create_task(server.serve(sockets=[listening]))
            reader, writer = await asyncio.open_connection(*listening.getsockname()[:2])
            writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = await asyncio.wait_for(reader.read(), 10)
            writer.close()
            server.should_exit = True
            await serving
            return answer

    assert asyncio.run(ask()).startswith(b"HTTP/1.1 204")
    assert seen == [CONGESTION_CONTROL]
