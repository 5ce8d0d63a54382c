"""Isolation by another uid, and Landlock, for servers that run as root where no namespace of users
can be created, as in many containers.

No other process of the machine has the uid while the program runs, so `kill(-1)` as this uid kills
exactly its processes, and none can escape: it cannot change its uid. Landlock limits the files that
the program can access. The work folder is on disk; the server measures it while the program runs.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from novaql.server.executors.config import Limits
from novaql.server.executors.isolation import (
    ENVIRONMENT,
    SYSTEM_FOLDERS,
    Isolation,
    Program,
    Session,
    Usage,
    as_uid,
    limited,
    runs_as_root,
    tool,
    visible_files,
)
from novaql.server.executors.usage import memory_bytes, of_uid

_START_S = 10.0
_END_S = 10.0
_DEEPEST = 100
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_READ = "read-file,execute"
_WRITE = (
    "execute,write-file,read-file,read-dir,remove-dir,remove-file,make-dir,make-reg,make-sock,"
    "make-fifo,make-sym,refer,truncate"
)


class OwnUid(Isolation):
    """Another uid; it needs root, setpriv with Landlock (util-linux 2.41, Linux 6.2)."""

    name = "uid"

    def unavailable(self, *, network: bool, uid: int | None) -> str:
        if not runs_as_root() or uid is None:
            return "the server does not run as root, so scripts cannot have another uid"
        if tool("setpriv") is None or tool("prlimit") is None:
            return "setpriv and prlimit (package util-linux) are not installed"
        program = Program(["/usr/bin/true"], [], network, Limits(), uid)
        with self.session(program) as session:
            process = session.start(stdin=subprocess.DEVNULL, output=subprocess.PIPE)
            output, _ = process.communicate(timeout=_START_S)
            session.finish()
        reason = output.decode(errors="replace").strip()
        return "" if process.returncode == 0 else reason or "setpriv fails"

    @contextmanager
    def session(self, program: Program) -> Iterator[Session]:
        if program.uid is None:
            raise ValueError("the program needs a uid")
        _kill_all(program.uid)  # of a server that was killed
        folder = tempfile.mkdtemp(prefix="novaql-script-")
        made = _Session(program, folder)
        try:
            os.chown(folder, program.uid, program.uid)
            yield made
        finally:
            made.finish()
            # Deeper than any recursion in Python, and all its processes have ended.
            remove = ["/bin/rm", "-rf", "--one-file-system", "--", folder]
            subprocess.run(remove, check=False, env={}, cwd="/")  # noqa: S603


class _Session(Session):
    def __init__(self, program: Program, folder: str) -> None:
        self._program = program
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *, stdin: int, output: int) -> subprocess.Popen[bytes]:
        program = self._program
        network = [] if program.network else ["/usr/bin/unshare", "--net", "--ipc", "--"]
        options = ["--bounding-set=-all", "--pdeathsig=KILL", *self._rules()]
        self._process = subprocess.Popen(  # noqa: S603 - a list, with an absolute path
            [
                *network,
                *as_uid(program.uid, *options),
                *limited(program.limits, program.command),
            ],
            stdin=stdin,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**ENVIRONMENT, "HOME": self._folder},
            cwd=self._folder,
            start_new_session=True,
        )
        return self._process

    def _rules(self) -> list[str]:
        """Return options of setpriv: access to nothing but these files."""
        folders = [folder for folder in SYSTEM_FOLDERS if Path(folder).is_dir()]
        paths = [*folders, *visible_files(self._program)]
        rules = [
            f"path-beneath:{_READ}{',read-dir' if Path(path).is_dir() else ''}:{path}"
            for path in paths
        ]
        rules += [f"path-beneath:read-file,write-file:{path}" for path in _DEVICES]
        rules.append(f"path-beneath:{_WRITE}:{self._folder}")
        return ["--landlock-access=fs", *(f"--landlock-rule={rule}" for rule in rules)]

    def usage(self) -> Usage:
        found = of_uid(self._program.uid or -1)
        files_bytes, files = measured(self._folder, self._program.limits.files)
        cpu_s = sum(process.cpu_s for process in found)
        return Usage(cpu_s, memory_bytes(found), files_bytes, files)

    def finish(self) -> bool:
        if self._process is None:
            return True
        self._process.kill()  # it may not have its uid yet
        self._process.wait()
        return _kill_all(self._program.uid or -1)

    def exit_code(self) -> int | None:
        code = None if self._process is None else self._process.returncode
        return 128 - code if code is not None and code < 0 else code


def _kill_all(uid: int) -> bool:
    """Kill all processes of a uid, and wait until they have ended. Return whether they have."""
    deadline = time.monotonic() + _END_S
    while of_uid(uid):
        if time.monotonic() >= deadline:
            return False
        # `kill(-1)` is one step of the kernel: no process can fork before it receives the signal.
        kill = [*as_uid(uid), "/bin/sh", "-c", "kill -s KILL -- -1"]
        subprocess.run(kill, check=False, env={}, cwd="/", capture_output=True)  # noqa: S603
        time.sleep(0.01)
    return True


def measured(folder: str, most: int) -> tuple[int, int]:
    """Return the size and number of files in a folder; `most + 1` files if there are more, or if
    folders are nested so deeply that traversing them takes long.
    """
    size, count, waiting = 0, 0, [(folder, 0)]
    while waiting:
        path, depth = waiting.pop()
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    count += 1
                    if count > most or depth > _DEEPEST:
                        return size, most + 1
                    size += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append((entry.path, depth + 1))
        except FileNotFoundError:
            continue  # the program has deleted it
        except OSError:
            return size, most + 1  # such as a path that is too long
    return size, count
