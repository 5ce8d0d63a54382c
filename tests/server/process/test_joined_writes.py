"""Head and body of an answer reach the socket in one call, and nothing stays behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from novaql.server.process.joined_writes import JoinedWrites, Piece


class Recorded(asyncio.Transport):
    """A transport that notes what is called."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Any] = []

    def write(self, data: Piece) -> None:
        self.calls.append(bytes(data))

    def writelines(self, list_of_data: Iterable[Piece]) -> None:
        self.calls.append([bytes(data) for data in list_of_data])

    def close(self) -> None:
        self.calls.append("close")

    def abort(self) -> None:
        self.calls.append("abort")

    def write_eof(self) -> None:
        self.calls.append("eof")

    def get_write_buffer_size(self) -> int:
        return 7


def in_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test in an event loop, with a recorded transport and one around it."""

    async def run() -> None:
        inner = Recorded()
        await test(inner, JoinedWrites(inner, asyncio.get_running_loop()))

    def started() -> None:
        asyncio.run(run())

    started.__doc__ = test.__doc__
    return started


@in_loop
async def test_a_head_goes_with_the_first_piece(inner: Recorded, joined: JoinedWrites) -> None:
    joined.expect_head()
    joined.write(b"head")
    assert inner.calls == []
    assert joined.get_write_buffer_size() == 11
    joined.write(memoryview(b"body"))
    joined.write(b"more")
    await asyncio.sleep(0)
    assert inner.calls == [[b"head", b"body"], b"more"]


@in_loop
async def test_a_head_without_a_body_goes_at_once(inner: Recorded, joined: JoinedWrites) -> None:
    """That of an event stream, whose first event may be far away."""
    joined.expect_head()
    joined.write(b"head")
    await asyncio.sleep(0)
    assert inner.calls == [b"head"]
    joined.write(b"event")
    assert inner.calls == [b"head", b"event"]


@in_loop
async def test_an_empty_body_adds_nothing(inner: Recorded, joined: JoinedWrites) -> None:
    joined.expect_head()
    joined.write(b"head")
    joined.write(b"")
    assert inner.calls == [[b"head"]]


@in_loop
async def test_what_is_held_goes_before_a_close(inner: Recorded, joined: JoinedWrites) -> None:
    joined.expect_head()
    joined.write(b"head")
    joined.close()
    await asyncio.sleep(0)
    assert inner.calls == [b"head", "close"]


@in_loop
async def test_what_is_held_goes_before_the_end(inner: Recorded, joined: JoinedWrites) -> None:
    joined.expect_head()
    joined.write(b"head")
    joined.write_eof()
    await asyncio.sleep(0)
    assert inner.calls == [b"head", "eof"]


@in_loop
async def test_an_abort_drops_what_is_held(inner: Recorded, joined: JoinedWrites) -> None:
    joined.expect_head()
    joined.write(b"head")
    joined.abort()
    await asyncio.sleep(0)
    assert inner.calls == ["abort"]


@in_loop
async def test_lines_follow_what_is_held(inner: Recorded, joined: JoinedWrites) -> None:
    joined.expect_head()
    joined.write(b"head")
    joined.writelines([b"a", b"b"])
    assert inner.calls == [b"head", [b"a", b"b"]]
