"""Transports of the MCP server: standard input and output, or HTTP with a token."""

from __future__ import annotations

import hmac
import signal
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn
from mcp.server.mcpserver import MCPServer

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
    the thread that reads standard input waits for a line, and cannot be interrupted."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    server.run("stdio")


def serve_http(server: MCPServer[Any], host: str, port: int, token: str) -> None:
    """Answer clients over HTTP at `/mcp`. Every request must have the token."""
    app = server.streamable_http_app(host=host, json_response=True, stateless_http=True)
    uvicorn.run(TokenGate(app, token), host=host, port=port, log_level="warning")
