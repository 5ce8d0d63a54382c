"""The memory that this process may use: the limit of the machine, its control group or the
process."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

ROOT = Path("/")
_UNLIMITED = 1 << 60


def usable_memory(root: Path = ROOT) -> int:
    """Return bytes: the least of the machine's memory, the limits of the control groups (version 1
    or 2) of this process, and its limits of address space and data.

    root  the directory that contains `proc` and `sys`
    """
    return min([_machine(), *_of_control_groups(root), *_of_process()])


def _machine() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _of_process() -> Iterator[int]:
    for name in (resource.RLIMIT_AS, resource.RLIMIT_DATA):
        limit, _ = resource.getrlimit(name)
        if limit not in (resource.RLIM_INFINITY, -1):
            yield limit


def _of_control_groups(root: Path) -> Iterator[int]:
    """Yield each group's limit, and those of the groups around it."""
    with suppress(OSError, ValueError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers == "":
                mount, name = root / "sys/fs/cgroup", "memory.max"
            elif "memory" in controllers.split(","):
                mount, name = root / "sys/fs/cgroup/memory", "memory.limit_in_bytes"
            else:
                continue
            yield from _limits(mount, Path(path.lstrip("/")), name)


def _limits(mount: Path, path: Path, name: str) -> Iterator[int]:
    # In a container, the path may be that of the host, and the mount itself is its own group.
    for group in (path, *path.parents, Path()):
        with suppress(OSError, ValueError):
            limit = int((mount / group / name).read_text())  # "max" is not a number
            if limit < _UNLIMITED:
                yield limit
