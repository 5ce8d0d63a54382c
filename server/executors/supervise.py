"""Runs one program in an isolation: feeds it, reads it, and ends it at its limits."""

from __future__ import annotations

import os
import selectors
import subprocess
import time
from collections.abc import Callable

from novaql.server.executors.config import Limits
from novaql.server.executors.isolation import Session, Usage
from novaql.server.executors.outcome import Outcome, Status, refused

_POLL_S = 0.05
_MEASURE_S = 0.1
_CHUNK = 64 << 10
_DISCARDED_EACH_LOOK = 1 << 20
_SIGXCPU, _SIGXFSZ, _SIGKILL = 152, 153, 137


def supervise(
    session: Session,
    limits: Limits,
    stdin: bytes,
    *,
    deadline: float,
    cancelled: Callable[[], bool],
) -> Outcome:
    """Run a program until it ends, or is ended. Afterwards none of its processes exists."""
    try:
        process = session.start(stdin=subprocess.PIPE, output=subprocess.PIPE)
    except OSError as problem:
        return refused(f"the isolation cannot start: {problem}")
    with _Streams(process, stdin, limits.output_bytes) as streams:
        try:
            end = _watch(session, limits, streams, process, deadline, cancelled)
        finally:
            ended = session.finish()
        streams.drain()
    return _outcome(session.exit_code(), end, streams, limits, ended=ended)


def _watch(
    session: Session,
    limits: Limits,
    streams: _Streams,
    process: subprocess.Popen[bytes],
    deadline: float,
    cancelled: Callable[[], bool],
) -> tuple[Status, str] | None:
    """Wait for the end of the program; return why it has to be ended, or None."""
    measure_at = time.monotonic()
    while process.poll() is None:
        streams.transfer(_POLL_S)
        now = time.monotonic()
        if cancelled():
            return "cancelled", "the run was cancelled"
        if now >= deadline:
            return "timed_out", "the script took too long"
        if now >= measure_at:
            if excess := exceeded(session.usage(), limits):
                return "failed", excess
            measure_at = time.monotonic() + _MEASURE_S
    return None


def exceeded(usage: Usage, limits: Limits) -> str:
    """Return which limit a run exceeds; "": none."""
    if usage.cpu_s > limits.cpu_s + 1:
        return f"the script used more than {limits.cpu_s} s of CPU time (cpu_s)"
    if usage.memory_bytes > limits.memory_bytes:
        return f"the script used more than {limits.memory_bytes} bytes of memory (memory_bytes)"
    if usage.files_bytes > limits.files_bytes:
        return f"the work folder exceeded {limits.files_bytes} bytes (files_bytes)"
    if usage.files > limits.files:
        return f"the work folder exceeded {limits.files} files (files)"
    return ""


def _outcome(
    code: int | None,
    end: tuple[Status, str] | None,
    streams: _Streams,
    limits: Limits,
    *,
    ended: bool,
) -> Outcome:
    output = streams.text()
    if end is None and code is None:
        return refused(f"the isolation cannot start: {output.strip()[:500]}")
    if end is not None:
        status, detail = end
        code = None
    else:
        status, detail = ("succeeded" if code == 0 else "failed"), _explained(code, limits)
    if not ended:
        detail += "; some of its processes have not ended"
    return Outcome(status, code, output, streams.truncated, detail)


def _explained(code: int | None, limits: Limits) -> str:
    if code == _SIGXCPU:
        return f"exit code {code}: a process used {limits.cpu_s} s of CPU time (cpu_s)"
    if code == _SIGXFSZ:
        return f"exit code {code}: a file exceeded {limits.files_bytes} bytes (files_bytes)"
    if code is not None and 128 < code < 128 + 65:
        return f"exit code {code}: ended by signal {code - 128}"
    return f"exit code {code}"


class _Streams:
    """Writes stdin and reads the output of a process, without waiting for one of them only.

    truncated  whether the output was longer than `most`
    """

    def __init__(self, process: subprocess.Popen[bytes], stdin: bytes, most: int) -> None:
        self.truncated = False
        self._process = process
        self._left = memoryview(stdin)
        self._most = most
        self._output = bytearray()
        self._selector = selectors.DefaultSelector()
        self._end_fd = os.pidfd_open(process.pid)
        self._selector.register(self._end_fd, selectors.EVENT_READ)
        assert process.stdin is not None
        assert process.stdout is not None
        for stream in (process.stdin, process.stdout):
            os.set_blocking(stream.fileno(), False)
        self._selector.register(process.stdout, selectors.EVENT_READ)
        self._selector.register(process.stdin, selectors.EVENT_WRITE)

    def __enter__(self) -> _Streams:
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()
        os.close(self._end_fd)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None and not stream.closed:
                stream.close()

    def transfer(self, wait_s: float) -> None:
        """Transfer what is possible. Waits until something is, or the process ends."""
        if self.truncated:  # the pipe fills, and the program waits: it gets 20 MB/s at most
            time.sleep(wait_s)
            self._read(_DISCARDED_EACH_LOOK)
        for key, _ in self._selector.select(0 if self.truncated else wait_s):
            if key.fileobj is self._process.stdin:
                self._write()
            elif key.fileobj is self._process.stdout and not self.truncated:
                self._read(_CHUNK)

    def drain(self) -> None:
        """Read the output that ended processes have left in the pipe."""
        self._read(_DISCARDED_EACH_LOOK)

    def _write(self) -> None:
        stream = self._process.stdin
        assert stream is not None
        try:
            written = os.write(stream.fileno(), self._left[:_CHUNK]) if self._left else 0
        except BlockingIOError:
            return
        except BrokenPipeError:
            written = len(self._left)
        self._left = self._left[written:]
        if not self._left:
            self._selector.unregister(stream)
            stream.close()

    def _read(self, most: int) -> None:
        stream = self._process.stdout
        assert stream is not None
        while most > 0 and not stream.closed:
            try:
                part = os.read(stream.fileno(), min(_CHUNK, most))
            except BlockingIOError:
                return
            if not part:
                self._selector.unregister(stream)
                stream.close()
                return
            most -= len(part)
            fits = part[: self._most - len(self._output)]
            self._output += fits
            self.truncated |= len(fits) < len(part)

    def text(self) -> str:
        """The output as text. A character that the limit has cut, and NUL, are replaced."""
        return self._output.decode("utf-8", "replace").replace("\0", "�")
