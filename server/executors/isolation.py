"""The interface of an isolation: how a program runs apart from the server."""

from __future__ import annotations

import os
import shutil
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from novaql.fast_dataclass import dataclass
from novaql.server.executors.config import Limits

WORK = "/scratch"
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
SYSTEM_FOLDERS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_SYSTEM = tuple(f"{folder}/" for folder in SYSTEM_FOLDERS)
SYSTEM_FILES = (
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/group",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/ssl/certs",
)
NETWORK_FILES = ("/etc/hosts", "/etc/resolv.conf", "/etc/services")


@dataclass(frozen=True, slots=True)
class Program:
    """command  its path and arguments
    read     files and folders that it can read, besides those of the system
    uid      that runs it; None: the uid of the server
    """

    command: Sequence[str]
    read: Sequence[str]
    network: bool
    limits: Limits
    uid: int | None


@dataclass(frozen=True, slots=True)
class Usage:
    """The current resource usage of a run."""

    cpu_s: float = 0.0
    memory_bytes: int = 0
    files_bytes: int = 0
    files: int = 0


class Session(ABC):
    """One run of a program. `start`, then `usage` at any time, then `finish`."""

    @abstractmethod
    def start(self, *, stdin: int, output: int) -> subprocess.Popen[bytes]:
        """Start the program. Raises `OSError`."""

    @abstractmethod
    def usage(self) -> Usage:
        """Measure the processes and files of the run."""

    @abstractmethod
    def finish(self) -> bool:
        """Kill all processes of the run, and wait until they have ended. Return whether they have.

        Afterwards, the process that `start` returned has an exit code.
        """

    @abstractmethod
    def exit_code(self) -> int | None:
        """The exit code of the program; None: it has not started. Call it after `finish`."""


class Isolation(ABC):
    """name  `namespaces` or `uid`"""

    name: str

    @abstractmethod
    def session(self, program: Program) -> AbstractContextManager[Session]:
        """Prepare a run; the end of the block deletes its files."""

    @abstractmethod
    def unavailable(self, *, network: bool, uid: int | None) -> str:
        """Return why programs with or without network cannot run as a uid; "": they can."""


def tool(name: str) -> str | None:
    """Return the path of a program of the system."""
    return shutil.which(name, path="/usr/bin:/bin:/usr/sbin:/sbin")


def limited(limits: Limits, command: Sequence[str]) -> list[str]:
    """Prepend the limits of each process to a command. `prlimit` is a part of util-linux."""
    return [
        "/usr/bin/prlimit",
        "--core=0",
        f"--cpu={limits.cpu_s}:{limits.cpu_s + 1}",
        f"--as={limits.memory_bytes}",
        f"--nproc={limits.processes}",
        f"--fsize={limits.files_bytes}",
        f"--nofile={limits.open_files}",
        "--",
        *command,
    ]


def as_uid(uid: int | None, *options: str) -> list[str]:
    """Return the beginning of a command that continues as a uid without any privilege."""
    if uid is None:
        return []
    ids = [f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
    return ["/usr/bin/setpriv", *ids, "--inh-caps=-all", "--no-new-privs", *options, "--"]


def visible_files(program: Program) -> list[str]:
    """Return the files outside of `SYSTEM_FOLDERS` that exist and that a program can read."""
    paths = [*SYSTEM_FILES, *(NETWORK_FILES if program.network else ())]
    read = [path for path in program.read if not path.startswith(_SYSTEM)]
    return [path for path in paths if Path(path).exists()] + read


def runs_as_root() -> bool:
    """Whether this process can change its uid."""
    return os.geteuid() == 0
