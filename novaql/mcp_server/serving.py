"""Transports of the MCP server: standard input and output, or HTTP with a token."""

from __future__ import annotations

import hmac
import signal
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import anyio
import uvicorn
from mcp.server.mcpserver import MCPServer
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage
from mcp.types import JSONRPCError, JSONRPCNotification, JSONRPCRequest, JSONRPCResponse

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class TokenGate:
    """An ASGI application that answers 401 unless a request has the token."""

    def __init__(self, app: App, token: str) -> None:
        self._app, self._expected = app, b"Bearer " + token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or self._is_allowed(scope):
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            headers = [(b"www-authenticate", b"Bearer"), (b"content-type", b"text/plain")]
            await send({"type": "http.response.start", "status": 401, "headers": headers})
            await send({"type": "http.response.body", "body": b"a bearer token is required\n"})

    def _is_allowed(self, scope: Scope) -> bool:
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        return len(given) == 1 and hmac.compare_digest(given[0], self._expected)


def serve_stdio(server: MCPServer[Any]) -> None:
    """Answer a client on standard input and output, until it closes them. Ctrl-C ends the process:
    the thread that reads standard input waits for a line, and cannot be interrupted.

    Raises `OSError` if an answer cannot be written.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        anyio.run(_answer_all, server)
    except ExceptionGroup as failures:
        first: Exception = failures
        while isinstance(first, ExceptionGroup):
            first = first.exceptions[0]
        raise first from None


async def _answer_all(server: MCPServer[Any]) -> None:
    """Serve standard input to its end, and then until each request is answered.

    The SDK cancels the requests that it still evaluates when its input ends, so this input ends
    with the last answer.
    """
    server.streamable_http_app()  # the SDK's public way to the server below: its session manager
    inner = server.session_manager.app
    open_ids: set[str] = set()
    requests, taken = anyio.create_memory_object_stream[SessionMessage | Exception]()
    given, answers = anyio.create_memory_object_stream[SessionMessage]()

    async def receive() -> None:
        async with requests:
            async for item in input_:
                match item.message if isinstance(item, SessionMessage) else None:
                    case JSONRPCRequest(id=number):
                        open_ids.add(str(number))
                    case JSONRPCNotification(method="notifications/cancelled", params=cancelled):
                        open_ids.discard(str((cancelled or {}).get("requestId")))
                await requests.send(item)
            while open_ids:
                await anyio.sleep(0.01)

    async def send() -> None:
        async with output:
            async for item in answers:
                await output.send(item)
                if isinstance(item.message, JSONRPCResponse | JSONRPCError):
                    open_ids.discard(str(item.message.id))

    async with stdio_server() as (input_, output), anyio.create_task_group() as tasks:
        tasks.start_soon(receive)
        tasks.start_soon(send)
        await inner.run(taken, given, inner.create_initialization_options())


def serve_http(server: MCPServer[Any], host: str, port: int, token: str) -> None:
    """Answer clients over HTTP at `/mcp`. Every request must have the token."""
    app = server.streamable_http_app(host=host, json_response=True, stateless_http=True)
    uvicorn.run(TokenGate(app, token), host=host, port=port, log_level="warning")
