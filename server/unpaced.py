"""A client on this machine gets large answers at the speed of memory.

Linux sends as a congestion control allows. The one that many servers are set to, BBR, estimates
what a path can carry and waits between bursts, on the loopback interface too, where nothing can
congest: 5 MB take 2.2 ms instead of 1.1. So connections from this machine itself (a browser, a
script, a proxy in front) use Reno, which never waits where nothing is lost.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

from novaql.server.addresses import is_loopback

CONGESTION_CONTROL = b"reno"


def unpace(transport: asyncio.BaseTransport) -> None:
    """Choose how a connection sends, if it comes from this machine and the system has a choice."""
    peer = transport.get_extra_info("peername")
    if not isinstance(peer, tuple) or not is_loopback(peer[0]):
        return
    connection = transport.get_extra_info("socket")
    if connection is None or not hasattr(socket, "TCP_CONGESTION"):
        return
    with suppress(OSError):  # not built into this system, or not allowed to everybody
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, CONGESTION_CONTROL)
