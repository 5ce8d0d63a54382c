"""What one server is made of, for its endpoints to use."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from starlette.requests import Request

from novaql.inputs.remote_write import RemoteWriteDecoder
from server.platform.scopes import Principal
from server.platform.scrapes import Scrapes, no_scrapes
from server.platform.store import Store
from server.platform.telemetry import Telemetry
from server.platform.tokens import TokenStore
from server.platform.workers import QueryWorkers, Writers
from server.settings import Settings


@dataclass(frozen=True, slots=True)
class ServerContext:
    """The parts of a running server. `tokens` is None when authentication is off.

    writers   threads that decode and store what is sent to us
    scrapes   the targets that this server scrapes now
    stopping  set when the server is told to stop: answers without an end are to end then
    """

    settings: Settings
    store: Store
    tokens: TokenStore | None
    telemetry: Telemetry
    workers: QueryWorkers
    writers: Writers
    decoder: RemoteWriteDecoder
    scrapes: Scrapes = no_scrapes
    stopping: threading.Event = field(default_factory=threading.Event)
    started_at: float = field(default_factory=time.time)


def context_of(request: Request) -> ServerContext:
    """The server that a request came to."""
    found = request.app.state.context
    assert isinstance(found, ServerContext)
    return found


def principal_of(request: Request) -> Principal:
    """Who makes the request; set once it is let in."""
    found = request.state.principal
    assert isinstance(found, Principal)
    return found
