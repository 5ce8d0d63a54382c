"""What a worker gets from the process that owns the stores."""

from __future__ import annotations

import signal
import socket

from novaql.fast_dataclass import dataclass
from novaql.server.process.shared_counts import SharedCounts
from novaql.server.settings import Settings

ORDERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that a terminal or a service manager sends to all processes of a server. The supervisor
blocks them, because workers end with it, and may have requests to answer first."""


@dataclass(frozen=True, slots=True)
class WorkerConfiguration:
    """What a worker gets from the process that owns the stores.

    sock      the socket on which all workers answer
    owner     the path of the socket of the process with the samples
    counts    connections of all workers, of which `row` is this one's
    streams   event streams of all workers, likewise
    """

    settings: Settings
    sock: socket.socket
    owner: str
    counts: SharedCounts
    streams: SharedCounts
    log_level: str
    row: int = 0
