"""A deadline is for all steps of a request, also if a receiver takes the body slowly."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from novaql.server.addresses import parse_networks
from novaql.server.egress.dialer import Dialer
from novaql.server.egress.outgoing import post

pytestmark = pytest.mark.slow

PART = 150_000
"""Bytes that the receiver reads at once: enough that a write to it goes on."""


@contextmanager
def slow_reader(seconds: float) -> Iterator[int]:
    """A port that reads a part, then waits, and again, over a connection with small buffers."""
    with socket.socket() as listening:
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1460)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listening.bind(("127.0.0.1", 0))
        listening.listen()

        def read() -> None:
            with suppress(OSError), listening.accept()[0] as peer:
                while peer.recv(PART, socket.MSG_WAITALL):
                    time.sleep(seconds)

        thread = threading.Thread(target=read)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            listening.shutdown(socket.SHUT_RDWR)  # also if no connection has come
            thread.join()


def test_a_receiver_that_reads_slowly_is_left_at_the_deadline() -> None:
    began = time.monotonic()
    with slow_reader(0.5) as port:
        dialer = Dialer(allowed=parse_networks("127.0.0.0/8"))
        attempt = post(dialer, f"http://127.0.0.1:{port}/", bytes(5_000_000), {}, timeout_s=1.5)
        took = time.monotonic() - began

    assert attempt.error == "timeout"
    assert took < 12  # to read it all takes the receiver 16 s
