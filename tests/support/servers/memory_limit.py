"""Programs that tests start under a memory limit: of a control group, else of the process."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

_GROUPS = Path("/sys/fs/cgroup")
_numbers = itertools.count(1)


@contextmanager
def memory_limit(limit_bytes: int) -> Iterator[Sequence[str]]:
    """A command prefix: the program behind it, with its children, has so much memory.

    A control group (v2 or v1) where this user may make one: the kernel then ends what exceeds it.
    Elsewhere the limit is that of the data of each process, and allocations fail.
    """
    group = _group(limit_bytes)
    if group is None:
        yield ("prlimit", f"--data={limit_bytes}")
        return
    try:
        yield ("sh", "-c", f'echo $$ >{group}/cgroup.procs && exec "$@"', "sh")
    finally:
        for _ in range(100):  # a group can be removed when its last process has ended
            with suppress(OSError):
                group.rmdir()
                break
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
    """Let the peaks of a process and its children begin again at what they use now."""
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
