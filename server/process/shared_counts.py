"""Counts that all processes of a server share, in memory that all of them map.

Each process writes its own row and sums the rows to decide, so no lock is needed. If a worker is
killed, the process that starts its replacement clears its row.
"""

from __future__ import annotations

import mmap
import os
from multiprocessing.reduction import DupFd
from typing import Any

import numpy as np

from novaql.fast_dataclass import dataclass

CELLS = 1 << 14
ALL = CELLS
"""The cell after the others, which counts everything."""


@dataclass(frozen=True, slots=True)
class SharedCounts:
    """A file in memory with a row of counts for each process.

    key  of the hash by which addresses and tenants have cells; the same in all processes
    """

    descriptor: int
    rows: int
    key: str

    @classmethod
    def made(cls, rows: int) -> SharedCounts:
        """Create counts for a number of processes, all 0. Raises `OSError` without memory."""
        descriptor = os.memfd_create("novaql-connections")
        os.ftruncate(descriptor, rows * (CELLS + 1) * 4)
        return cls(descriptor, rows, os.urandom(16).hex())

    def __reduce__(self) -> tuple[Any, ...]:
        """Pass the counts to a process that is being started."""
        return _received, (DupFd(self.descriptor), self.rows, self.key)

    def table(self) -> np.ndarray:
        """Return the counts: rows of processes, columns of cells."""
        memory = mmap.mmap(self.descriptor, self.rows * (CELLS + 1) * 4)
        return np.frombuffer(memory, np.int32).reshape(self.rows, CELLS + 1)

    def clear(self, row: int) -> None:
        """Clear the counts of a process that has ended."""
        self.table()[row] = 0


def _received(descriptor: Any, rows: int, key: str) -> SharedCounts:
    return SharedCounts(descriptor.detach(), rows, key)
