"""The workers of a server: processes that answer on its socket, restarted when they end."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass

from novaql.server.jobs.loop import Loop
from novaql.server.process.connections import SharedCounts
from novaql.server.settings import Settings

log = logging.getLogger(__name__)
_SLOWEST_RESTART_S = 30.0


@dataclass(slots=True)
class _Place:
    """A worker's place: its process, and the time at which it is filled again."""

    process: subprocess.Popen[bytes] | None = None
    began: float = 0.0
    start_at: float = 0.0
    wait_s: float = 0.1


@dataclass
class ApiWorkers:
    """`settings.workers` processes that share a listening socket.

    A worker that ends is replaced, the first time at once, then with growing waits if the new one
    also ends early. All workers stop by themselves if this process ends: they hold the other end of
    a pipe.
    """

    settings: Settings
    sock: socket.socket
    owner: str
    log_level: str = "info"

    def __post_init__(self) -> None:
        self._places = [_Place() for _ in range(self.settings.workers)]
        self._pipe = os.pipe()
        self._counts = SharedCounts.made(self.settings.workers)
        self._streams = SharedCounts.made(self.settings.workers)
        self._loop = Loop("workers", self._watch, every_s=0.1)

    def start(self) -> None:
        self._loop.start()

    def stop(self) -> None:
        """Stop all workers after their current requests. Kill those that have not ended after the
        longest lag."""
        self._loop.stop()
        running = [p.process for p in self._places if p.process is not None]
        for process in running:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        end = time.monotonic() + self.settings.shutdown_timeout_s + 5
        for process in running:
            try:
                process.wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for descriptor in (*self._pipe, self._counts.descriptor, self._streams.descriptor):
            os.close(descriptor)

    def read_certificate(self) -> None:
        """Make all workers load the certificate in the settings' files again."""
        for place in self._places:
            process = place.process
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGHUP)

    def _watch(self) -> None:
        for row, place in enumerate(self._places):
            self._look_after(row, place)

    def _look_after(self, row: int, place: _Place) -> None:
        now = time.monotonic()
        if place.process is not None:
            code = place.process.poll()
            if code is None:
                if now - place.began > _SLOWEST_RESTART_S:
                    place.wait_s = 0.1
                return
            log.warning("a worker ended", extra={"pid": place.process.pid, "exit_code": code})
            place.process = None
            self._counts.clear(row)
            self._streams.clear(row)
            place.start_at = now + place.wait_s
            place.wait_s = min(place.wait_s * 2, _SLOWEST_RESTART_S)
        if now >= place.start_at:
            place.process, place.began = self._started(row), now

    def _started(self, row: int) -> subprocess.Popen[bytes]:
        reading, number = self._pipe[0], self.sock.fileno()
        process = subprocess.Popen(
            [sys.executable, "-m", "novaql.server.process.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            pass_fds=(number, reading, self._counts.descriptor, self._streams.descriptor),
        )
        message = {
            "settings": self.settings.as_text(),
            "socket": number,
            "alive": reading,
            "owner": self.owner,
            "counts": (self._counts.descriptor, self._counts.rows, self._counts.key),
            "streams": (self._streams.descriptor, self._streams.rows, self._streams.key),
            "row": row,
            "log_level": self.log_level,
        }
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(message).encode())
            process.stdin.close()
        except OSError:
            log.exception("a worker ended before it began")
        return process
