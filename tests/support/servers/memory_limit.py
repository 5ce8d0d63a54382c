"""Programs that tests start under a memory limit: of a control group, or else of the process."""

from __future__ import annotations

import itertools
import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

_GROUPS = Path("/sys/fs/cgroup")
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class MemoryLimit:
    """A limit for a process and its children.

    group  the control group that all of them are in; None: the limit is that of each process
    """

    limit_bytes: int
    group: Path | None

    def enter(self) -> None:
        """Apply the limit to this process. A group does not count memory that a fork shares with
        its parent."""
        if self.group is None:
            resource.setrlimit(resource.RLIMIT_DATA, (self.limit_bytes, self.limit_bytes))
        else:
            (self.group / "cgroup.procs").write_text(str(os.getpid()))


@contextmanager
def memory_limit(limit_bytes: int) -> Iterator[MemoryLimit]:
    """A limit of this much memory.

    If this user may create a control group (v2 or v1), the kernel kills processes that exceed it.
    Otherwise each process has a limit of its data, and allocations fail.
    """
    group = _group(limit_bytes)
    try:
        yield MemoryLimit(limit_bytes, group)
    finally:
        if group is not None:
            _remove(group)


def _remove(group: Path) -> None:
    for _ in range(100):  # a group can be removed when its last process has ended
        with suppress(OSError):
            group.rmdir()
            return
        time.sleep(0.05)


def _group(limit_bytes: int) -> Path | None:
    name = f"novaql-{os.getpid()}-{next(_numbers)}"
    v2 = (_GROUPS / "cgroup.controllers").exists()
    group = _GROUPS / name if v2 else _GROUPS / "memory" / name
    try:
        group.mkdir()
        (group / ("memory.max" if v2 else "memory.limit_in_bytes")).write_text(str(limit_bytes))
        with suppress(OSError):  # no part of the limit is a swap file
            (group / ("memory.swap.max" if v2 else "memory.memsw.limit_in_bytes")).write_text(
                "0" if v2 else str(limit_bytes)
            )
    except OSError:
        with suppress(OSError):
            group.rmdir()
        return None
    return group


def forget_peaks(pid: int) -> None:
    """Reset the peaks of a process and its children to their current use."""
    for process in _family(pid):
        with suppress(OSError):
            Path(f"/proc/{process}/clear_refs").write_text("5")


def peak_bytes(pid: int) -> int:
    """Resident memory of a process and its children at their peaks, added up."""
    return sum(_peak(process) for process in _family(pid))


def _family(pid: int) -> list[int]:
    try:
        return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    except psutil.NoSuchProcess:
        return []


def _peak(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) << 10
    return 0
