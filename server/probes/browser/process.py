"""The process of a browser: started under another user without a network, ended with its tree."""

from __future__ import annotations

import json
import os
import secrets
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from io import FileIO
from pathlib import Path
from typing import IO

import psutil

from novaql.server.probes.browser import command
from novaql.server.probes.browser import launch as launcher
from novaql.server.probes.browser.results import FlowFailed

MAX_MEMORY = 1536 << 20
_TURN_S = 0.1
_TRIAL_S = 60.0
"""A hang limit: the trial takes 50 ms, but many seconds where other programs use all cores."""


def available() -> str | None:
    """Return None if a browser can run here, otherwise the reason.

    It tries the namespaces, which takes about 50 ms: do not call it on the event loop.
    """
    if not sys.platform.startswith("linux"):
        return "browser flows require Linux"
    if command.browser() is None:
        return "there is no Chromium: install the package chromium"
    bwrap = command.bubblewrap()
    if bwrap is None:
        return "there is no bubblewrap, which isolates the browser: install the package bubblewrap"
    ours, theirs = socket.socketpair()
    with ours, theirs:
        try:
            tried = subprocess.run(  # noqa: S603
                _launch(command.trial_command(bwrap), theirs.fileno(), ()),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=_TRIAL_S,
                check=False,
                env={},
            )
        except (OSError, subprocess.TimeoutExpired) as problem:
            return f"the namespaces of the browser cannot be tried: {type(problem).__name__}"
    if tried.returncode:
        return f"this machine does not permit the browser's sandbox: {_last_line(tried.stderr)}"
    return None


def _last_line(output: bytes) -> str:
    lines = output.decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:200] if lines else "no message"


def _launch(program: list[str], control: int, fds: tuple[int, ...]) -> list[str]:
    arguments = {
        "uid": secrets.choice(command.BROWSER_UIDS) if os.geteuid() == 0 else None,
        "control": control,
        "fds": fds,
        "limits": dict(command.LIMITS),
        "command": program,
    }
    script = str(Path(launcher.__file__))
    return [sys.executable, "-I", "-S", script, json.dumps(arguments)]


class BrowserProcess:
    """A running browser. Raises `FlowFailed` `unavailable` if it does not start until `end`.

    check     raises an error to end the start
    listener  where the browser's proxy accepts connections
    reading   CDP's messages from the browser
    writing   CDP's messages to the browser
    """

    def __init__(self, *, end: float, check: Callable[[], None]) -> None:
        self._end, self._check = end, check
        found, bwrap = command.browser(), command.bubblewrap()
        if found is None or bwrap is None:
            raise FlowFailed("unavailable", available() or "there is no browser")
        self._init: psutil.Process | None = None
        self._init_fd = -1
        with ExitStack() as stack:
            self._errors: IO[bytes] = stack.enter_context(tempfile.TemporaryFile())
            control, theirs = socket.socketpair()
            stack.enter_context(control)
            stack.enter_context(theirs)
            commands, self.writing = _pipe(stack)
            self.reading, answers = _pipe(stack)
            self._info, info = _pipe(stack)
            policies, policies_in = _pipe(stack)
            policies_in.write(command.policies().encode())
            policies_in.close()
            passed = (commands.fileno(), answers.fileno(), info.fileno(), policies.fileno())
            self._process = subprocess.Popen(  # noqa: S603
                _launch(command.browser_command(bwrap, *found), theirs.fileno(), passed),
                pass_fds=[theirs.fileno(), *passed],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                env={},
            )
            stack.callback(self._end_processes)
            for given in (theirs, commands, answers, info, policies):
                given.close()
            self.listener = stack.enter_context(self._receive(control))
            self._find_init()
            control.close()
            self._info.close()
            stack.pop_all()

    def _unavailable(self) -> FlowFailed:
        self._errors.seek(0)
        return FlowFailed("unavailable", f"no browser: {_last_line(self._errors.read(1 << 16))}")

    def _wait(self, fd: int) -> None:
        """Wait until the process that starts sends something, or ends."""
        while not readable(fd, _TURN_S):
            self._check()
            if time.monotonic() >= self._end:
                raise FlowFailed("unavailable", "no browser: it does not start in time")

    def _receive(self, control: socket.socket) -> socket.socket:
        self._wait(control.fileno())
        try:
            _, fds, _, _ = socket.recv_fds(control, 64, 1)
        except OSError:
            fds = []
        if not fds:
            raise self._unavailable()
        return socket.socket(fileno=fds[0])

    def _find_init(self) -> None:
        """Find the first process of the browser's namespace: its end is the end of all of them."""
        data = b""
        while b"}" not in data:
            self._wait(self._info.fileno())
            part = self._info.read(4096)
            if not part:
                raise self._unavailable()
            data += part
        try:
            pid = int(json.loads(data)["child-pid"])
            self._init_fd = os.pidfd_open(pid)
            self._init = psutil.Process(pid)
        except (OSError, psutil.Error):
            raise self._unavailable() from None

    @property
    def pid(self) -> int:
        """The first process of the browser's namespace."""
        assert self._init is not None
        return self._init.pid

    def processes(self) -> list[psutil.Process]:
        """Return the processes of the browser."""
        assert self._init is not None
        try:
            return [self._init, *self._init.children(recursive=True)]
        except psutil.Error:
            return []

    def memory(self) -> int:
        """Return the bytes of memory that the browser's processes do not share."""
        total = 0
        for process in self.processes():
            with suppress(psutil.Error):
                used = process.memory_info()
                total += max(0, used.rss - used.shared)
        return total

    def stop(self) -> None:
        """End all processes of the browser, and wait until the kernel has removed them."""
        self.writing.close()
        self._end_processes()
        self.reading.close()
        self._errors.close()

    def _end_processes(self) -> None:
        if self._init_fd >= 0:
            with suppress(OSError):
                signal.pidfd_send_signal(self._init_fd, signal.SIGKILL)
            readable(self._init_fd, 10)
            os.close(self._init_fd)
            self._init_fd = -1
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(5)
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(5)


def _pipe(stack: ExitStack) -> tuple[FileIO, FileIO]:
    """Return both ends of a pipe: to read, to write."""
    reading, writing = os.pipe()
    return (
        stack.enter_context(FileIO(reading, "r")),
        stack.enter_context(FileIO(writing, "w")),
    )


def readable(fd: int, timeout_s: float) -> bool:
    """Wait until a file descriptor is readable. `select` cannot do this for numbers above 1023."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(max(0.0, timeout_s) * 1000))
