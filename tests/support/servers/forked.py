"""The program `novaql` in processes that are forked from one that has imported it.

A server imports for more than a second of CPU, and tests start hundreds. The
first call of `start` starts one process without threads, which imports the server and loads the
compiled kernels. Every program is a fork of it with its own environment, output and exit code.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import io
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import TextIO

from novaql.cli import run
from tests.support.repository.files import ROOT

_CONTEXT = multiprocessing.get_context("forkserver")
_LONGEST_S = 300


@dataclass
class Forked:
    """A started program, with the parts of `subprocess.Popen` that tests need."""

    process: ForkServerProcess
    stdout: TextIO

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    @property
    def returncode(self) -> int | None:
        return self.process.exitcode

    def poll(self) -> int | None:
        return self.process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code. Raises `subprocess.TimeoutExpired`."""
        self.process.join(timeout)
        if self.process.exitcode is None:
            raise subprocess.TimeoutExpired(self.process.name, timeout or 0)
        return self.process.exitcode

    def send_signal(self, number: int) -> None:
        if self.process.exitcode is None:
            with contextlib.suppress(ProcessLookupError):  # it ends, and its exit code follows
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


@functools.cache
def fork_context() -> ForkServerContext:
    """The context of processes that are forks, once the process that they are forked from runs.

    That process finds modules of tests only in its working folder, and starts without them in
    another folder.
    """
    _CONTEXT.set_forkserver_preload(["tests.support.servers.preloaded"])
    with contextlib.chdir(ROOT):
        forkserver.ensure_running()
    return _CONTEXT


def environment(settings: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of the tests, with only these settings of a server: `{"workers": "2"}`."""
    environ = {name: v for name, v in os.environ.items() if not name.startswith("NOVAQL_")}
    return environ | {f"NOVAQL_{name.upper()}": v for name, v in (settings or {}).items()}


def start(
    arguments: Sequence[str],
    *,
    environ: Mapping[str, str],
    log: Path,
    enter: Callable[[], None] | None = None,
) -> Forked:
    """Start `novaql …` in the folder of the repository.

    log    the file to which its standard error is appended
    enter  the process calls it first
    """
    reading, writing = os.pipe()
    with Connection(writing, readable=False) as out:
        process = fork_context().Process(
            target=_run,
            args=(arguments, dict(environ), log, out, enter),
            name="novaql",
        )
        process.start()
    return Forked(process, os.fdopen(reading, encoding="utf-8"))


def novaql(
    *arguments: str, settings: Mapping[str, str] | None = None, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run `novaql …` to its end. Raises `CalledProcessError` if its exit code is not 0."""
    with tempfile.NamedTemporaryFile() as errors:
        log = Path(errors.name)
        started = start(arguments, environ=environment(settings), log=log)
        hangs = threading.Timer(_LONGEST_S, started.kill)
        hangs.start()
        with started.stdout as out:
            printed = out.read()
        hangs.cancel()
        code, said = started.wait(), log.read_text(encoding="utf-8")
    done = subprocess.CompletedProcess(["novaql", *arguments], code, printed, said)
    if check:
        done.check_returncode()
    return done


def _run(
    arguments: Sequence[str],
    environ: Mapping[str, str],
    log: Path,
    out: Connection,
    enter: Callable[[], None] | None,
) -> None:
    if enter is not None:
        enter()
    os.dup2(out.fileno(), 1)
    out.close()
    number = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    os.dup2(number, 2)
    os.close(number)
    run_program(arguments, environ, ROOT)


def run_program(
    arguments: Sequence[str], environ: Mapping[str, str], folder: str | os.PathLike[str]
) -> None:
    """Run `novaql …` in a fork, with its standard output and error as they are, and end the
    process."""
    assert threading.active_count() == 1, "threads do not survive a fork"
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(folder)
    sys.stdout = io.TextIOWrapper(os.fdopen(1, "wb", closefd=False), encoding="utf-8")
    sys.argv = ["novaql", *arguments]
    try:
        code = run(arguments)
    finally:
        atexit._run_exitfuncs()  # a child of multiprocessing does not do this
    sys.exit(code)
