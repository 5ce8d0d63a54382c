"""A server in the background: `novaql serve --daemon` starts it, and `novaql serve --stop` ends it.

The server is a fork of the process that starts it, in a separate session. It holds a lock on
`serve.pid`, in the server's folder of the database, and writes its log to `serve.log` beside it.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import ssl
import sys
import time
import traceback
import urllib.request
from collections.abc import Callable
from contextlib import closing, suppress
from http.client import HTTPException
from pathlib import Path
from typing import IO

from novaql import ArgumentError, StorageUnavailable
from novaql.fast_dataclass import dataclass

Started = Callable[[str, str | None], None]
_WAIT_S = 0.05
_LAST_LINES = 20


@dataclass(frozen=True)
class Running:
    """A server that answers: its address, the first admin token if it made one, and its process."""

    address: str
    token: str | None
    pid: int


class NotStarted(Exception):
    """The server ended before it answered. The text is the end of its log."""

    def __init__(self, log: str, code: int) -> None:
        super().__init__(log)
        self.code = code


def log_file(data: Path) -> Path:
    """Return the path of the log of a server in the background."""
    return data / "server" / "serve.log"


def start(data: Path, run: Callable[[Started], int]) -> Running:
    """Start a server in a process of its own, and return when `/healthz` answers.

    run   serves until the end of the server, and returns its exit code. It calls its argument once
          the socket is open, with the address and the first admin token

    Raises `ArgumentError` if one runs already, `NotStarted` if the server ends first, and `OSError`
    if its log cannot be written. If this process is interrupted meanwhile, the server is stopped.
    """
    path = log_file(data)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _lock_file(data).open("a+") as file:
        if not _locked(file):
            raise ArgumentError("daemon", f"a server of {data} runs as process {_pid_in(file)}")
    with suppress(FileNotFoundError):
        path.replace(path.with_name("serve.log.1"))
    with path.open("xb") as log, closing(_Child.fork(data, log, run)) as child:
        try:
            address, token = child.reported()
            while not _answers(f"{address}/healthz"):
                child.check()
                time.sleep(_WAIT_S)
        except ChildProcessError as ended:
            raise NotStarted(_end_of(path), ended.args[0]) from None
        except BaseException:
            os.kill(child.pid, signal.SIGTERM)
            raise
    return Running(address, token, child.pid)


def stop(data: Path) -> int | None:
    """Stop the server in the background that serves this database, and wait until it has ended.

    Returns its process id; None if there is none.
    """
    try:
        file = _lock_file(data).open("r+")
    except FileNotFoundError:
        return None
    with file:
        pid = None
        while not _locked(file):
            if pid is None and (pid := _pid_in(file)) is not None:
                os.kill(pid, signal.SIGTERM)
            time.sleep(_WAIT_S)
    return pid


@dataclass
class _Child:
    """The process of the server, as the one that started it sees it."""

    pid: int
    reports: IO[bytes]

    @classmethod
    def fork(cls, data: Path, log: IO[bytes], run: Callable[[Started], int]) -> _Child:
        sys.stdout.flush()
        sys.stderr.flush()
        reading, writing = os.pipe()
        pid = os.fork()
        if pid:
            os.close(writing)
            return cls(pid, os.fdopen(reading, "rb"))
        code = 1
        try:
            os.close(reading)
            os.setsid()
            with open(os.devnull, "rb") as nothing:
                os.dup2(nothing.fileno(), 0)
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
            code = _serve(data, writing, run)
        except SystemExit as ending:  # uvicorn's
            code = ending.code if isinstance(ending.code, int) else 1
        except BaseException:  # noqa: BLE001 - the log has it, and the exit code
            traceback.print_exc()
        finally:  # the parent process continues in the caller
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def reported(self) -> tuple[str, str | None]:
        """Return what the server reports; raises `ChildProcessError` if it ends instead."""
        report = self.reports.readline()  # workers have copies of its other end
        if not report:
            self.check(wait=True)
        address, token = json.loads(report)
        return address, token

    def check(self, *, wait: bool = False) -> None:
        """Raise `ChildProcessError` with the exit code if the process has ended."""
        pid, status = os.waitpid(self.pid, 0 if wait else os.WNOHANG)
        if pid:
            raise ChildProcessError(os.waitstatus_to_exitcode(status))

    def close(self) -> None:
        self.reports.close()


def _serve(data: Path, report: int, run: Callable[[Started], int]) -> int:
    """Hold the lock while the server runs. Returns its exit code."""

    def started(address: str, token: str | None) -> None:
        with os.fdopen(report, "wb") as pipe:
            pipe.write(json.dumps([address, token]).encode() + b"\n")

    with _lock_file(data).open("a+") as file:
        if not _locked(file):
            raise StorageUnavailable(f"another server of {data} has just been started")
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        try:
            return run(started)
        finally:
            file.truncate(0)


def _lock_file(data: Path) -> Path:
    return data / "server" / "serve.pid"


def _pid_in(file: IO[str]) -> int | None:
    """Return the process that a server has written into its file; None if it has not yet."""
    file.seek(0)
    return int(file.read() or 0) or None


def _locked(file: IO[str]) -> bool:
    """Lock a file, and return whether that was possible."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as problem:
        raise StorageUnavailable(f"{file.name}: {problem.strerror}") from problem
    return True


def _answers(url: str) -> bool:
    """Whether a server of this machine answers. Its certificate is that of another name."""
    unverified = ssl.create_default_context()
    unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
    handler = urllib.request.HTTPSHandler(context=unverified)
    try:
        # Without the proxies of the environment.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), handler)
        with opener.open(url, timeout=60) as answer:
            return bool(answer.status == 200)
    except (OSError, HTTPException):
        return False


def _end_of(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-_LAST_LINES:])
