"""The HTTP server of a process: uvicorn, with the limits of the settings and an orderly end."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn
from starlette.applications import Starlette
from uvicorn.config import STARTUP_FAILURE

from novaql import warmup
from novaql.server.addresses import parse_networks
from novaql.server.control_plane import ControlPlane
from novaql.server.process.connections import Connections, most_connections
from novaql.server.process.garbage import settle
from novaql.server.process.guard import Guard, Limits
from novaql.server.process.limits import LimitedProtocol
from novaql.server.process.proxies import Proxied, TrustedProxies
from novaql.server.process.tls import read_again
from novaql.server.process.unread_answers import memory_for_answers
from novaql.server.tenants.context import ServerContext

if TYPE_CHECKING:
    from novaql.server.control_parts import ControlParts

_STOPS = (signal.SIGINT, signal.SIGTERM)
log = logging.getLogger("novaql.server")


class GracefulServer(uvicorn.Server):
    """Ends after SIGINT or SIGTERM with the exit status of a complete program, not of a killed one.

    stopping   set as soon as the signal arrives
    on_started called when the server accepts connections, if set
    on_hangup  called at SIGHUP, if set when the application starts; None: SIGHUP ends the process
    on_shutdown called in a thread before the sockets close, if set
    """

    def __init__(self, config: uvicorn.Config, stopping: threading.Event) -> None:
        super().__init__(config)
        self._stopping = stopping
        self.on_started: Callable[[], None] | None = None
        self.on_hangup: Callable[[], None] | None = None
        self.on_shutdown: Callable[[], None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Like uvicorn's method for open sockets, with a limit for the TLS handshake."""
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            sys.exit(STARTUP_FAILURE)
        config, loop = self.config, asyncio.get_running_loop()

        def protocol() -> asyncio.Protocol:
            made: Callable[..., asyncio.Protocol] = config.http_protocol_class
            return made(
                config=config,
                server_state=self.server_state,
                app_state=self.lifespan.state,
                _loop=loop,
            )

        self.servers = [
            await loop.create_server(
                protocol,
                sock=sock,
                ssl=config.ssl,
                ssl_handshake_timeout=None if config.ssl is None else Limits().head_s,
                backlog=config.backlog,
            )
            for sock in sockets or ()
        ]
        self.started = True
        if self.on_started is not None:
            self.on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self.on_shutdown is not None:
            await asyncio.to_thread(self.on_shutdown)
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._stopping.set()
        super().handle_exit(sig, frame)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in _STOPS}
        hangup = self.on_hangup
        if hangup is not None:
            before[signal.SIGHUP] = signal.signal(signal.SIGHUP, lambda *_: hangup())
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def complete(server: GracefulServer, control: ControlPlane, *, kernels: bool = False) -> None:
    """Build the control plane when the server has started, and stop it if that fails. Then do what
    no request needs: a collection of garbage, and the `kernels` (NumPy answers meanwhile).
    """

    def end_start(built: Future[ControlParts]) -> None:
        if built.exception() is not None:
            log.error("the control plane cannot be built: %s", built.exception())
            server.should_exit = True
            return
        if kernels:
            warmup(background=True, in_child=True)
        settle()

    server.on_started = lambda: control.begin().add_done_callback(end_start)


def public_server(
    app: Starlette,
    *,
    tls: ssl.SSLContext | None = None,
    connections: Connections | None = None,
    limits: Limits | None = None,
) -> GracefulServer:
    """Return a server for clients on a socket, within the limits of the settings.

    connections  counts that several processes share; None: this process counts for itself
    limits       of each connection, for tests that cannot wait as long
    """
    settings = app.state.context.settings
    proxies = TrustedProxies(parse_networks(settings.trusted_proxies))
    counted = connections or Connections(
        most=most_connections(settings), most_an_address=settings.max_connections_per_address
    )
    app.add_middleware(Proxied, proxies=proxies, limit=counted)
    server = server_for(app, connections=counted, proxies=proxies, tls=tls, limits=limits)
    if tls is not None:
        server.on_hangup = partial(read_again, tls, settings)
    return server


def server_for(
    app: Starlette,
    *,
    connections: Connections | None = None,
    proxies: TrustedProxies | None = None,
    tls: ssl.SSLContext | None = None,
    limits: Limits | None = None,
) -> GracefulServer:
    """Return a server that answers on a socket until it is stopped. Then running requests end."""
    context: ServerContext = app.state.context
    guard = Guard(
        context.telemetry,
        connections or Connections(most=0, most_an_address=0),
        proxies or TrustedProxies(()),
        limits,
        answer_bytes=memory_for_answers(context.settings),
    )
    config = uvicorn.Config(
        app,
        timeout_keep_alive=round(guard.limits.keep_alive_s),
        http=partial(LimitedProtocol, guard=guard),  # type: ignore[arg-type]  # called, no more
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ssl_context_factory=None if tls is None else lambda *_: tls,
        timeout_graceful_shutdown=max(1, round(context.settings.shutdown_timeout_s)),
    )
    return GracefulServer(config, context.lifecycle.stopping)
