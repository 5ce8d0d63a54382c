"""A process that answers on the socket of a server.

`process/supervisor.py` starts it. It opens no store: requests that need samples are forwarded to
the owner, the process that has the stores.
"""

from __future__ import annotations

import signal
import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from novaql.server.app import create_app
from novaql.server.errors import Unavailable
from novaql.server.file_modes import create_private_files
from novaql.server.http.edge import Edge
from novaql.server.http.site import Site
from novaql.server.process.connections import Connections, most_connections
from novaql.server.process.forwarding import Forwarding
from novaql.server.process.garbage import until_settled
from novaql.server.process.graceful import GracefulServer, complete, public_server
from novaql.server.process.logs import log_to_stderr
from novaql.server.process.tls import tls_context
from novaql.server.process.worker_configuration import ORDERS, WorkerConfiguration
from novaql.server.process.worker_reports import Reporter
from novaql.server.settings import Settings

NAME = "novaql-worker"
"""The name of the process in the lists of `ps` and `top`."""


def run(configuration: WorkerConfiguration, alive: Connection, end: Connection) -> None:
    """Answer requests until stopped, or until the supervisor ends.

    alive  a connection that ends with the supervisor
    end    the supervisor's end of it, closed here: this process has a copy
    """
    end.close()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ORDERS)
    with suppress(OSError):
        Path("/proc/self/comm").write_text(NAME, "ascii")
    settings = configuration.settings
    log_to_stderr(configuration.log_level, access_log=settings.access_log)
    create_private_files()
    with until_settled():
        _run(configuration, settings, alive)


def _run(configuration: WorkerConfiguration, settings: Settings, alive: Connection) -> None:
    app = create_app(settings, owned_elsewhere=True)
    reporter = Reporter(app.state.context.telemetry, configuration.owner)
    app.add_middleware(
        Forwarding,
        owner=configuration.owner,
        routes=app.state.routes,
        unreached=_unreached(app, settings),
    )
    connections = Connections(
        most=most_connections(settings),
        most_an_address=settings.max_connections_per_address,
        shared=configuration.counts,
        row=configuration.row,
    )
    app.state.context.pools.streams.shared = Connections(
        most=0, most_an_address=0, shared=configuration.streams, row=configuration.row
    )
    server = public_server(app, tls=tls_context(settings), connections=connections)
    threading.Thread(target=_stop_with, args=(alive, server), daemon=True).start()
    reporter.start()
    complete(server, app.state.control)
    with configuration.sock as sock:
        server.run(sockets=[sock])
    reporter.stop()


def _unreached(app: Starlette, settings: Settings) -> Edge:
    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001
        raise Unavailable(
            "the process with the samples does not answer; try again",
            headers={"Retry-After": "1"},
        )

    telemetry = app.state.context.telemetry
    return Edge(refuse, telemetry=telemetry, site=Site.of(settings))


def _stop_with(alive: Connection, server: GracefulServer) -> None:
    alive.poll(None)
    server.should_exit = True
