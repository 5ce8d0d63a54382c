"""Isolation by namespaces of the kernel, which bubblewrap (`bwrap`) sets up.

The program sees a separate file system: system folders, read-only, and a work folder in memory
with a size. It sees no process but its own, and no network unless granted. When the first process
of its namespace is killed, the kernel kills all others, before the first has ended.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from novaql.server.executors.config import Limits
from novaql.server.executors.isolation import (
    ENVIRONMENT,
    SYSTEM_FOLDERS,
    WORK,
    Isolation,
    Program,
    Session,
    Usage,
    as_uid,
    limited,
    tool,
    visible_files,
)
from novaql.server.executors.usage import below, memory_bytes

_START_S = 10.0
_END_S = 10.0
_TMP = "/tmp"  # noqa: S108 - of the program
_SHARED = "/dev/shm/"  # noqa: S108 - of the machine, for files that the program can read


class Namespaces(Isolation):
    """proc  whether the program has a `/proc`; containers may not allow it"""

    name = "namespaces"

    def __init__(self, *, proc: bool) -> None:
        self._proc = proc

    def unavailable(self, *, network: bool, uid: int | None) -> str:
        if tool("bwrap") is None:
            return "bwrap is not installed (package bubblewrap)"
        program = Program(["/usr/bin/true"], [], network, Limits(), uid)
        with self.session(program) as session:
            process = session.start(stdin=subprocess.DEVNULL, output=subprocess.PIPE)
            output, _ = process.communicate(timeout=_START_S)
            session.finish()
            if session.exit_code() == 0:
                return ""
        return f"bwrap: {output.decode(errors='replace').strip().removeprefix('bwrap: ')}"

    @contextmanager
    def session(self, program: Program) -> Iterator[Session]:
        made = _Session([*as_uid(program.uid), *self._command(program)])
        try:
            yield made
        finally:
            made.close()

    def _command(self, program: Program) -> list[str]:
        limits = program.limits
        options = ["--unshare-all", "--unshare-user", "--disable-userns"]
        options += ["--share-net"] if program.network else []
        options += ["--die-with-parent", "--new-session", "--clearenv"]
        for name, value in (*ENVIRONMENT.items(), ("HOME", WORK)):
            options += ["--setenv", name, value]
        for folder in SYSTEM_FOLDERS:
            if os.path.islink(folder):
                options += ["--symlink", os.readlink(folder), folder]
            else:
                options += ["--ro-bind-try", folder, folder]
        files = visible_files(program)
        shared = [path for path in files if f"{path}/".startswith(_SHARED)]
        options += _read_only(path for path in files if path not in shared)
        # These hide what is bound before: the program has separate processes and devices.
        options += ["--proc", "/proc"] if self._proc else ["--dir", "/proc"]
        options += ["--dev", "/dev", *_read_only(shared), "--remount-ro", "/dev"]
        options += ["--perms", "0700", "--size", str(limits.files_bytes), "--tmpfs", WORK]
        if not any(path.startswith(f"{_TMP}/") for path in program.read):
            options += ["--symlink", WORK.removeprefix("/"), _TMP]
        options += ["--remount-ro", "/", "--chdir", WORK]
        return ["/usr/bin/bwrap", *options, "--", *limited(limits, program.command)]


def _read_only(paths: Iterable[str]) -> list[str]:
    return [part for path in paths for part in ("--ro-bind", os.path.realpath(path), path)]


class _Session(Session):
    def __init__(self, command: list[str]) -> None:
        self._command = command
        self._status_fd, self._written_fd = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._status = b""
        self._process: subprocess.Popen[bytes] | None = None
        self._first: int | None = None
        self._first_fd: int | None = None
        self._work_fd: int | None = None

    def start(self, *, stdin: int, output: int) -> subprocess.Popen[bytes]:
        bwrap = self._command.index("/usr/bin/bwrap") + 1
        status = ["--json-status-fd", str(self._written_fd)]
        self._process = subprocess.Popen(  # noqa: S603 - a list, with an absolute path
            [*self._command[:bwrap], *status, *self._command[bwrap:]],
            stdin=stdin,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={},
            cwd="/",
            pass_fds=[self._written_fd],
            start_new_session=True,
        )
        os.close(self._written_fd)
        self._written_fd = -1
        self._find_first()
        return self._process

    def _find_first(self) -> None:
        """Open the first process of the namespace, which bwrap names before it starts it."""
        deadline = time.monotonic() + _START_S
        while self._field("child-pid") is None and time.monotonic() < deadline:
            if select.select([self._status_fd], [], [], _START_S)[0]:
                part = os.read(self._status_fd, 4096)
                if not part:
                    return
                self._status += part
        self._first = self._field("child-pid")
        if self._first is not None:
            with suppress(OSError):  # it has ended
                self._first_fd = os.pidfd_open(self._first)

    def _field(self, name: str) -> int | None:
        for line in self._status.splitlines():
            with suppress(ValueError):
                found = json.loads(line).get(name)
                if isinstance(found, int):
                    return found
        return None

    def usage(self) -> Usage:
        found = [] if self._first is None else below(self._first)
        files_bytes, files = self._work_folder()
        cpu_s = sum(process.cpu_s for process in found)
        return Usage(cpu_s, memory_bytes(found), files_bytes, files)

    def _work_folder(self) -> tuple[int, int]:
        """Return the size and number of files. The descriptor is of the program's own mount."""
        if self._work_fd is None:
            flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            with suppress(OSError):
                self._work_fd = os.open(f"/proc/{self._first}/root{WORK}", flags)
        if self._work_fd is None:
            return 0, 0
        found = os.statvfs(self._work_fd)
        return (found.f_blocks - found.f_bfree) * found.f_frsize, found.f_files - found.f_ffree

    def finish(self) -> bool:
        if self._process is None:
            return True
        ended = True
        if self._first_fd is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._first_fd, signal.SIGKILL)
            ended = bool(select.select([self._first_fd], [], [], _END_S)[0])
        try:
            self._process.wait(_END_S if self._first_fd is not None else 0.2)
        except subprocess.TimeoutExpired:
            self._process.kill()  # `--die-with-parent` ends the others
            self._process.wait()
        return ended

    def exit_code(self) -> int | None:
        with suppress(BlockingIOError):
            while part := os.read(self._status_fd, 4096):
                self._status += part
        return self._field("exit-code")

    def close(self) -> None:
        self.finish()
        for fd in (self._status_fd, self._written_fd, self._first_fd, self._work_fd):
            if fd is not None and fd >= 0:
                os.close(fd)
        self._first_fd = self._work_fd = None
