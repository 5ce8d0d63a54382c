"""The resource usage of the processes of a run, from `/proc`."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress

from novaql.fast_dataclass import dataclass

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Process:
    """cpu_s  of the process and of its children that have ended"""

    pid: int
    parent: int
    state: str
    cpu_s: float


def processes() -> dict[int, Process]:
    """Return all processes of this machine that are visible."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(OSError, ValueError, IndexError):  # it has ended
                process = _process(int(name))
                found[process.pid] = process
    return found


def _process(pid: int) -> Process:
    with open(f"/proc/{pid}/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    ticks = sum(map(int, fields[11:15]))
    return Process(pid, int(fields[1]), fields[0].decode(), ticks / _TICKS)


def below(root: int) -> list[Process]:
    """Return a process and its descendants."""
    every = processes()
    children = defaultdict(list)
    for process in every.values():
        children[process.parent].append(process)
    found = [every[root]] if root in every else []
    for process in found:
        found.extend(children[process.pid])
    return found


def of_uid(uid: int) -> list[Process]:
    """Return the processes of a uid that have not ended."""
    return [
        process
        for process in processes().values()
        if process.state not in "ZX" and _status(process.pid, b"Uid:") == [uid]
    ]


def memory_bytes(used: Iterable[Process]) -> int:
    """Return the memory of processes that no file backs."""
    return sum(sum(_status(process.pid, b"RssAnon:", b"RssShmem:")) << 10 for process in used)


def _status(pid: int, *names: bytes) -> list[int]:
    """Return fields of a process: the first number of each. Its owner cannot hide them."""
    with suppress(OSError), open(f"/proc/{pid}/status", "rb") as file:
        return [int(line.split()[1]) for line in file if line.startswith(names)]
    return []
