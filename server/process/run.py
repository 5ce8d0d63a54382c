"""serve(): runs a server, from settings to a clean stop."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import ssl
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn
from starlette.applications import Starlette
from uvicorn.config import STARTUP_FAILURE

from novaql import ArgumentError, warmup
from novaql.server.addresses import is_loopback, parse_networks
from novaql.server.app import Job, create_app
from novaql.server.auth.bootstrap import add_admin, has_tokens
from novaql.server.control_plane import ControlPlane
from novaql.server.db.engine import StateDatabase
from novaql.server.file_modes import create_private_files
from novaql.server.pools.memory_return import share_arenas
from novaql.server.process.connections import Connections, most_connections
from novaql.server.process.garbage import settle, until_settled
from novaql.server.process.limits import Guard, LimitedProtocol, Limits
from novaql.server.process.logs import log_to_stderr
from novaql.server.process.proxies import FromWorkers, Proxied, TrustedProxies
from novaql.server.process.shared_counts import ReportReceiver
from novaql.server.process.supervisor import ApiWorkers
from novaql.server.process.tls import read_again, tls_context
from novaql.server.settings import Settings
from novaql.server.tenants.context import ServerContext
from novaql.server.tenants.store import Store

if TYPE_CHECKING:
    from novaql.server.control_parts import ControlParts

_STOPS = (signal.SIGINT, signal.SIGTERM)
log = logging.getLogger("novaql.server")


def serve(
    settings: Settings,
    *,
    store: Store | None = None,
    database: StateDatabase | None = None,
    jobs: Sequence[Job] = (),
    extend: Callable[[Starlette], None] | None = None,
    started: Callable[[str, str | None], None] | None = None,
    log_level: str = "info",
) -> None:
    """Serve until SIGINT or SIGTERM. Then running requests end and the store closes.

    store    an open store for the first tenant, instead of the one in `settings.data`
    database an open state database, instead of the one that the settings name
    extend   adds further routes to the application
    started  called once the socket is open, with the address and the first admin token (None if
             there were tokens before or authentication is off), instead of printing them

    Raises `ArgumentError` if the address cannot be listened on, and what `create_app` raises.
    """
    log_to_stderr(log_level, access_log=settings.access_log)
    share_arenas()
    create_private_files()
    tls, workers = tls_context(settings), None
    with ExitStack() as stack:
        sock = stack.enter_context(closing(listen(settings)))
        settings = replace(settings, port=sock.getsockname()[1])
        _warn_of_plain_http(settings)
        own = sock
        if settings.workers > 1:
            own, path = stack.enter_context(private_socket())
            workers = ApiWorkers(settings, sock, path, log_level)
            jobs = (*jobs, workers)
        stack.enter_context(until_settled())
        app = create_app(settings, store=store, database=database, jobs=jobs)
        if extend is not None:
            extend(app)
        context: ServerContext = app.state.context
        if own is not sock:
            app.add_middleware(ReportReceiver, telemetry=context.telemetry)
            app.add_middleware(FromWorkers)
        (started or print_start)(address_of(sock, settings), first_token(context))
        # The longest wait of a request for the interpreter's lock beside large queries, each of the
        # several times that it needs the lock. No measurable cost for large queries.
        sys.setswitchinterval(0.0005)
        server = public_server(app, tls=tls) if own is sock else server_for(app)
        complete(server, app.state.control, kernels=True)
        if tls is not None and workers is not None:
            server.on_hangup = workers.read_certificate
        server.run(sockets=[own])
        app.state.control.check()
    log.info("stopped")


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


@contextmanager
def private_socket() -> Iterator[tuple[socket.socket, str]]:
    """Open a socket that only processes of this user can reach. Yield it and its path."""
    with tempfile.TemporaryDirectory(prefix="novaql-") as folder:
        path = f"{folder}/owner.sock"
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(path)
            sock.listen(2048)
            yield sock, path


def first_token(context: ServerContext) -> str | None:
    """Return a token for the first administrator, if no token exists yet and the settings require
    one."""
    if context.access.accounts is None or has_tokens(context.database):
        return None
    if context.database.is_fallback:
        log.warning("no token exists, and none can be created now")
        return None
    return add_admin(
        context.database, context.clock, context.access.default_principal.tenant_id
    ).secret


class GracefulServer(uvicorn.Server):
    """Ends after SIGINT or SIGTERM with the exit status of a complete program, not of a killed one.

    stopping   set as soon as the signal arrives
    on_started called when the server accepts connections, if set
    on_hangup  called at SIGHUP, if set when the application starts; None: SIGHUP ends the process
    """

    def __init__(self, config: uvicorn.Config, stopping: threading.Event) -> None:
        super().__init__(config)
        self._stopping = stopping
        self.on_started: Callable[[], None] | None = None
        self.on_hangup: Callable[[], None] | None = None

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


def listen(settings: Settings) -> socket.socket:
    """Return a socket on the address of the settings."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    sock = socket.socket(family)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((settings.host, settings.port))
        sock.listen(2048)
    except OSError as problem:
        sock.close()
        where = f"{settings.host}:{settings.port}"
        raise ArgumentError("listen", f"{where} cannot be used: {problem.strerror}") from problem
    return sock


def address_of(sock: socket.socket, settings: Settings | None = None) -> str:
    """Return the URL of a listening socket."""
    scheme = "http" if settings is None or settings.tls_cert is None else "https"
    host, port = sock.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _warn_of_plain_http(settings: Settings) -> None:
    if settings.tls_cert is None and not is_loopback(settings.host):
        log.warning(
            "tokens and samples cross the network unencrypted: %s is not an address of this "
            "machine alone, and tls_cert is not set; listen on 127.0.0.1 behind a proxy that "
            "speaks TLS, or set tls_cert and tls_key",
            settings.host,
        )


def print_start(address: str, token: str | None) -> None:
    """Print the address of a server, and the first admin token."""
    lines = [f"NovaQL listens on {address}"]
    if token is not None:
        lines += ["The first admin token, shown this once:", f"  {token}"]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
