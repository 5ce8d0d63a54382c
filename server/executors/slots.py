"""Slots of runs: how many scripts run concurrently, and the uid of each."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

_POLL_S = 0.05


class NoSlot(Exception):
    """All slots were in use until the deadline, or the run was cancelled."""


class Slots:
    """At most `count` runs at one time. Run `n` of a server that runs as root has the uid
    `first_uid + n`, which no other process of the machine has at that time.

    first_uid  None: runs have the uid of the server
    """

    def __init__(self, count: int, first_uid: int | None) -> None:
        self._free = list(range(count))
        self._first_uid = first_uid
        self._lock = threading.Lock()

    @contextmanager
    def slot(self, deadline: float, cancelled: Callable[[], bool]) -> Iterator[int | None]:
        """Acquire a slot, and yield its uid. Raises `NoSlot`."""
        while (acquired := self._acquire()) is None:
            if cancelled() or time.monotonic() >= deadline:
                raise NoSlot
            time.sleep(_POLL_S)
        number, claim = acquired
        try:
            yield None if self._first_uid is None else self._first_uid + number
        finally:
            if claim is not None:
                claim.close()
            with self._lock:
                self._free.append(number)

    def _acquire(self) -> tuple[int, socket.socket | None] | None:
        with self._lock:
            for number in tuple(self._free):
                if self._first_uid is None:
                    self._free.remove(number)
                    return number, None
                with suppress(OSError):  # another server of this machine uses the uid
                    claim = claimed(self._first_uid + number)
                    self._free.remove(number)
                    return number, claim
        return None


def claimed(uid: int) -> socket.socket:
    """Claim a uid in this machine until the socket is closed. Raises `OSError` if it is claimed.

    The name of an abstract socket is released when its process ends, however it ends.
    """
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claim.bind(f"\0novaql-executor-uid-{uid}")
    except OSError:
        claim.close()
        raise
    return claim
