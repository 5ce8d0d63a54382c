"""serve(): runs a server, from settings to a clean stop."""

from __future__ import annotations

import errno
import logging
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace

from starlette.applications import Starlette

from novaql import ArgumentError
from novaql.server.addresses import is_loopback
from novaql.server.app import Job, create_app
from novaql.server.auth.bootstrap import add_admin, has_tokens
from novaql.server.db.engine import StateDatabase
from novaql.server.errors import Impossible
from novaql.server.file_modes import create_private_files
from novaql.server.pools.memory_return import configure_allocator
from novaql.server.process.api_workers import ApiWorkers
from novaql.server.process.garbage import until_settled
from novaql.server.process.graceful import complete, public_server, server_for
from novaql.server.process.logs import log_to_stderr
from novaql.server.process.proxies import FromWorkers
from novaql.server.process.tls import tls_context
from novaql.server.process.worker_reports import ReportReceiver
from novaql.server.settings import Settings
from novaql.server.tenants.context import ServerContext
from novaql.server.tenants.store import Store

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
    configure_allocator()
    create_private_files()
    tls, workers = tls_context(settings), None
    with ExitStack() as stack:
        sock = stack.enter_context(closing(listen(settings)))
        settings = replace(settings, port=sock.getsockname()[1])
        _warn_of_plain_http(settings)
        own = sock
        if settings.workers > 1:
            own, path = stack.enter_context(private_socket())
            mine = store is None and database is None
            workers = ApiWorkers(settings, sock, path, log_level, may_fork=mine)
            stack.callback(workers.stop)
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
        # A server that scrapes itself would store that it is down.
        server.on_shutdown = app.state.stop_scraping
        complete(server, app.state.control, kernels=True)
        if tls is not None and workers is not None:
            server.on_hangup = workers.read_certificate
        server.run(sockets=[own])
        app.state.control.check()
    log.info("stopped")


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
    """Return a token for the first administrator, if no token exists yet, the settings require one,
    and the user may have it."""
    if context.access.accounts is None or has_tokens(context.database):
        return None
    if context.database.is_fallback:
        log.warning("no token exists, and none can be created now")
        return None
    tenant_id = context.access.default_principal.tenant_id
    try:
        return add_admin(context.database, context.clock, tenant_id).secret
    except Impossible as refused:  # another administrator has deactivated or lowered the first one
        log.warning("no token exists, and none is created: %s", refused.message)
        return None


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
        reason = problem.strerror
        if problem.errno == errno.EADDRINUSE:
            reason = "another program uses it; stop that program, or choose another port"
        raise ArgumentError("listen", f"{where} cannot be used: {reason}") from problem
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
            "terminates TLS, or set tls_cert and tls_key",
            settings.host,
        )


def print_start(address: str, token: str | None) -> None:
    """Print the address of a server, and the first admin token."""
    lines = [f"NovaQL listens on {address}"]
    if token is not None:
        lines += ["The first admin token, shown this once:", f"  {token}"]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
