"""Heads and bodies in one write; a head whose body takes longer does not wait for it."""

from __future__ import annotations

import asyncio
import functools
import socket
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from novaql.server.app import create_app
from novaql.server.corked import Cork, CorkedProtocol
from novaql.server.run import server_for
from novaql.server.settings import Settings

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


def in_a_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A test that runs in an event loop of its own."""

    @functools.wraps(test)
    def run(**fixtures: Any) -> None:
        asyncio.run(test(**fixtures))

    return run


class Written:
    """A transport that notes each of its writes."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.writes.append(bytes(data))

    def writelines(self, several: Iterable[bytes]) -> None:
        self.writes.append(b"".join(several))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def get_extra_info(self, name: str) -> Any:
        return {"sockname": ("127.0.0.1", 1), "peername": ("127.0.0.1", 2)}.get(name)


def corked(written: Written) -> Cork:
    return Cork(written)  # type: ignore[arg-type]


@in_a_loop
async def test_pieces_of_a_large_answer_are_views() -> None:
    written = Written()
    cork = corked(written)
    cork.write(HEAD)
    cork.write(memoryview(b"[1, "))
    cork.write(memoryview(b"2]"))
    await asyncio.sleep(0)
    assert written.writes == [HEAD + b"[1, ", b"2]"]


@in_a_loop
async def test_a_head_goes_out_with_its_body() -> None:
    written = Written()
    cork = corked(written)
    cork.write(HEAD)
    cork.write(b"ab")
    cork.write(b"next")
    await asyncio.sleep(0)
    assert written.writes == [HEAD + b"ab", b"next"]


@in_a_loop
async def test_a_head_does_not_wait_for_a_body_that_takes_longer() -> None:
    written = Written()
    cork = corked(written)
    cork.write(HEAD)
    assert written.writes == []
    await asyncio.sleep(0.001)
    assert written.writes == [HEAD]
    cork.write(b"ab")
    assert written.writes == [HEAD, b"ab"]


@in_a_loop
async def test_a_body_that_looks_like_a_head_arrives_once_and_in_order() -> None:
    written = Written()
    cork = corked(written)
    for part in (HEAD, HEAD, HEAD, b"ab"):
        cork.write(part)
    await asyncio.sleep(0.001)
    assert written.writes == [HEAD + HEAD, HEAD + b"ab"]


@in_a_loop
async def test_what_is_kept_back_is_written_before_the_connection_closes() -> None:
    written = Written()
    cork = corked(written)
    cork.write(HEAD)
    cork.close()
    await asyncio.sleep(0.001)
    assert written.closed
    assert written.writes == [HEAD]


@in_a_loop
async def test_the_rest_of_a_transport_is_as_it_was() -> None:
    cork = corked(Written())
    assert cork.get_extra_info("peername") == ("127.0.0.1", 2)
    assert not cork.is_closing()


@in_a_loop
async def test_the_server_answers_in_one_write(tmp_path: Any) -> None:
    app = create_app(Settings(data=tmp_path, job_threads=0))
    async with app.router.lifespan_context(app):
        config = server_for(app).config
        config.load()
        written = Written()
        protocol = config.http_protocol_class(config, ServerState(), {})  # type: ignore[call-arg]
        assert isinstance(protocol, CorkedProtocol)
        protocol.connection_made(written)  # type: ignore[arg-type]
        protocol.data_received(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await asyncio.gather(*protocol.tasks)
        assert len(written.writes) == 1
        assert written.writes[0].startswith(b"HTTP/1.1 200 OK\r\n")
        assert written.writes[0].endswith(b'\r\n\r\n{"status":"ok"}')


@in_a_loop
async def test_a_stream_is_heard_before_its_first_piece() -> None:
    go_on = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - ASGI
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await go_on.wait()
        await send({"type": "http.response.body", "body": b"piece"})

    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, http=CorkedProtocol, lifespan="off"))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        reader, writer = await asyncio.open_connection(*listening.getsockname()[:2])
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        assert head.startswith(b"HTTP/1.1 200 OK")
        go_on.set()
        assert b"piece" in await asyncio.wait_for(reader.read(), 10)
        writer.close()
        server.should_exit = True
        await serving
