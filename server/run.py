"""serve(): a running server, from settings to a clean stop."""

from __future__ import annotations

import logging
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from types import FrameType

import uvicorn
from fastapi import FastAPI

from novaql import warmup
from novaql.errors import ArgumentError
from novaql.inputs.wire.compiling import prepare_in_background
from server.app import Job, create_app
from server.collecting import settle
from server.corked import CorkedProtocol
from server.counting import WorkersDoor
from server.file_modes import create_private_files
from server.platform.bootstrap import add_admin, has_tokens
from server.platform.context import ServerContext
from server.platform.logs import log_to_stderr
from server.platform.state.database import StateDatabase
from server.platform.store import Store
from server.settings import Settings
from server.supervising import ApiWorkers

_STOPS = (signal.SIGINT, signal.SIGTERM)
log = logging.getLogger("novaql.server")

KEPT_ALIVE_S = 120
"""An idle connection is left open for so long: longer than clients and proxies leave theirs (60 to
90 s), for a request that is sent just when the server hangs up has no answer."""


def serve(
    settings: Settings,
    *,
    store: Store | None = None,
    database: StateDatabase | None = None,
    jobs: Sequence[Job] = (),
    extend: Callable[[FastAPI], None] | None = None,
    started: Callable[[str, str | None], None] | None = None,
    log_level: str = "info",
) -> None:
    """Serve until SIGINT or SIGTERM; then running requests end and the store closes.

    store    an open store for the first tenant, instead of the one in `settings.data`
    database an open database for everything else, instead of the one that the settings name
    extend   adds routes of its own to the application
    started  called with the address and the first admin token (None if there were tokens before
             or authentication is off) once the socket is open, instead of printing them

    Raises `ArgumentError` if the address cannot be listened on, and what `create_app` raises.
    """
    log_to_stderr(log_level)
    create_private_files()
    with ExitStack() as stack:
        sock = stack.enter_context(closing(listen(settings)))
        own = sock
        if settings.workers > 1:
            own, path = stack.enter_context(private_socket())
            jobs = (*jobs, ApiWorkers(settings, sock, path, log_level))
        app = create_app(settings, store=store, database=database, jobs=jobs)
        if extend is not None:
            extend(app)
        context: ServerContext = app.state.context
        if own is not sock:
            app.add_middleware(WorkersDoor, telemetry=context.telemetry)
        (started or _say)(address_of(sock), first_token(context))
        # A request waits for the interpreter's lock no longer than this beside large queries, each
        # of the several times that it needs it; those lose nothing that could be measured.
        sys.setswitchinterval(0.0005)
        warmup(background=True)
        prepare_in_background()
        settle()
        server_for(app, trusted="127.0.0.1" if own is sock else "*").run(sockets=[own])
    log.info("stopped")


def server_for(app: FastAPI, *, trusted: str = "127.0.0.1") -> PoliteServer:
    """What answers on a socket until told to stop; then running requests end.

    trusted  peers that are believed when they tell for whom they ask (`X-Forwarded-For`)
    """
    context: ServerContext = app.state.context
    config = uvicorn.Config(
        app,
        http=CorkedProtocol,
        log_config=None,
        access_log=False,
        server_header=False,
        forwarded_allow_ips=trusted,
        timeout_keep_alive=KEPT_ALIVE_S,
        timeout_graceful_shutdown=max(1, round(context.settings.max_lag_s)),
    )
    return PoliteServer(config, context.stopping)


@contextmanager
def private_socket() -> Iterator[tuple[socket.socket, str]]:
    """A socket that only processes of this user reach, and its path."""
    with tempfile.TemporaryDirectory(prefix="novaql-") as folder:
        path = f"{folder}/owner.sock"
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(path)
            sock.listen(2048)
            yield sock, path


def first_token(context: ServerContext) -> str | None:
    """A token for the first administrator, if nobody has one yet and one is asked for."""
    if context.accounts is None or has_tokens(context.database):
        return None
    if context.database.stands_in:
        log.warning("nobody has a token, and none can be made now")
        return None
    return add_admin(context.database, context.clock, context.anyone.tenant_id).secret


class PoliteServer(uvicorn.Server):
    """Ends after SIGINT or SIGTERM as a program that did its work, not as one that was killed.

    stopping  set as soon as the signal comes
    """

    def __init__(self, config: uvicorn.Config, stopping: threading.Event) -> None:
        super().__init__(config)
        self._stopping = stopping

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._stopping.set()
        super().handle_exit(sig, frame)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in _STOPS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def listen(settings: Settings) -> socket.socket:
    """A socket on the address of the settings."""
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


def address_of(sock: socket.socket) -> str:
    """The URL of a listening socket."""
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _say(address: str, token: str | None) -> None:
    lines = [f"NovaQL listens on {address}"]
    if token is not None:
        lines += ["The first admin token, shown this once:", f"  {token}"]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
