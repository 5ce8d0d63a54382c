"""python -m novaql.server.process.worker: a process that answers on the socket of a server.

`process/supervisor.py` starts it and sends its configuration to its standard input. It opens no
store: requests that need samples are forwarded to the process that started it.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from typing import Any

from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from novaql.server.app import create_app
from novaql.server.errors import Unavailable
from novaql.server.file_modes import create_private_files
from novaql.server.http.edge import Edge
from novaql.server.http.site import Site
from novaql.server.process.connections import Connections, SharedCounts, most_connections
from novaql.server.process.forwarding import Forwarding
from novaql.server.process.garbage import until_settled
from novaql.server.process.logs import log_to_stderr
from novaql.server.process.run import GracefulServer, complete, public_server
from novaql.server.process.shared_counts import Reporter
from novaql.server.process.tls import tls_context
from novaql.server.settings import Settings


def main() -> int:
    """Answer requests until stopped, or until the owner ends."""
    message = json.loads(sys.stdin.buffer.read())
    settings = Settings.from_text(message["settings"])
    log_to_stderr(message["log_level"], access_log=settings.access_log)
    create_private_files()
    with until_settled():
        return _run(message, settings)


def _run(message: dict[str, Any], settings: Settings) -> int:
    app = create_app(settings, owned_elsewhere=True)
    reporter = Reporter(app.state.context.telemetry, message["owner"])
    app.add_middleware(
        Forwarding,
        owner=message["owner"],
        routes=app.state.routes,
        unreached=_unreached(app, settings),
    )
    counts = SharedCounts(*message["counts"])
    connections = Connections(
        most=most_connections(settings),
        most_an_address=settings.max_connections_per_address,
        shared=counts,
        row=message["row"],
    )
    streams = SharedCounts(*message["streams"])
    app.state.context.pools.streams.shared = Connections(
        most=0, most_an_address=0, shared=streams, row=message["row"]
    )
    server = public_server(app, tls=tls_context(settings), connections=connections)
    threading.Thread(target=_stop_with_owner, args=(message["alive"], server), daemon=True).start()
    reporter.start()
    complete(server, app.state.control)
    with socket.socket(fileno=message["socket"]) as sock:
        server.run(sockets=[sock])
    reporter.stop()
    return 0


def _unreached(app: Starlette, settings: Settings) -> Edge:
    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001
        raise Unavailable(
            "the process with the samples does not answer; try again",
            headers={"Retry-After": "1"},
        )

    telemetry = app.state.context.telemetry
    return Edge(refuse, telemetry=telemetry, site=Site.of(settings))


def _stop_with_owner(pipe: int, server: GracefulServer) -> None:
    # The owner never writes: the read returns when the end of the owner closes the pipe.
    os.read(pipe, 1)
    server.should_exit = True


if __name__ == "__main__":
    sys.exit(main())
