"""The memory of one running query: that of its values, and the rest of its limit.

An operator calls `admit` before it allocates. Large arrays that operators return are tracked until
they are freed, so the memory of a query is that of the values that exist at one time, not of all
that ever existed.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from novaql.errors import LimitExceeded
from novaql.evaluator.matrix import StepMatrix
from novaql.options import SharedMemory
from novaql.result import NativeCells, Result

TRACKED_BYTES = 1 << 20
"""Smaller arrays are not tracked: a query holds few of them at one time."""

RESERVED_AT_ONCE = 16 << 20
"""Bytes that are reserved together. A query that takes less than that reserves nothing."""


class QueryMemory:
    """Bytes that one query holds, against its limit and the memory that queries share.

    limit   bytes at one time; 0: no limit
    shared  where they are reserved
    peak    most bytes that were admitted at one time

    `admit`, `keep`, `release` and `hold` are called on one thread at a time; arrays may be freed
    on any.
    """

    def __init__(self, limit: int, shared: SharedMemory | None = None) -> None:
        self.limit = limit
        self.peak = 0
        self._shared = shared
        self._reserved_to_end = 0  # until the query ends
        self._held = 0  # in tracked arrays
        self._tracked: set[int] = set()
        self._freed: deque[tuple[int, int]] = deque()
        self._reserved = 0

    def admit(self, size: int, purpose: str) -> None:
        """Reject `size` more bytes if that exceeds the limit. Raises `LimitExceeded`."""
        self._collect()
        wanted = self._reserved_to_end + self._held + size
        if wanted <= self.peak:
            return
        if self.limit and wanted > self.limit:
            already = wanted - size
            beside = f" beside {already >> 20} MiB in use" if already >> 20 else ""
            raise LimitExceeded(
                f"{purpose} needs {size >> 20} MiB{beside}, the limit is {self.limit >> 20} MiB"
            )
        self._reserve(wanted)
        self.peak = wanted

    def expect(self, size: int) -> None:
        """Reserve the estimated memory of a query before it begins; waits until it is available."""
        limit = self.limit or size
        self._reserve(min(size, limit))

    def keep(self, size: int, purpose: str) -> None:
        """Take `size` bytes until the query ends. Raises `LimitExceeded`."""
        self.admit(size, purpose)
        self._reserved_to_end += size

    def release(self, size: int) -> None:
        """Return bytes that `keep` took, before the query ends."""
        self._reserved_to_end -= size

    def hold(self, found: StepMatrix) -> None:
        """Count the arrays of a value until they are freed."""
        for array in _large(found.values, found.valid, _which(found.native)):
            if id(array) not in self._tracked:
                self._tracked.add(id(array))
                self._held += array.nbytes
                _when_freed(array, self._freed.append, (id(array), array.nbytes))

    def finish(self, result: Result | None) -> None:
        """Release the reserved bytes; those of the result are released when it is freed."""
        shared, reserved, self._reserved = self._shared, self._reserved, 0
        if shared is None or not reserved:
            return
        if result is not None:
            points = result.raw
            large = list(_large(result.values, result.valid, _which(result.native)))
            if points is not None:
                large += _large(points.times_ms, points.values, _which(points.native))
            for number, array in enumerate(large):
                size = min(reserved, array.nbytes + (0 if number else self._reserved_to_end))
                reserved -= size
                _when_freed(array, shared.release, size)
        shared.release(reserved)

    def _reserve(self, size: int) -> None:
        if self._shared is None or size <= max(self._reserved, RESERVED_AT_ONCE):
            return
        more = -(-(size - self._reserved) // RESERVED_AT_ONCE) * RESERVED_AT_ONCE
        if self.limit:
            more = min(more, max(self.limit - self._reserved, size - self._reserved))
        self._shared.reserve(more)
        self._reserved += more

    def _collect(self) -> None:
        while self._freed:
            address, size = self._freed.popleft()
            self._tracked.discard(address)
            self._held -= size


def _which(native: NativeCells | None) -> NDArray[np.int32] | None:
    return None if native is None else native.which


def _large(*arrays: NDArray[Any] | None) -> Iterator[NDArray[Any]]:
    """The arrays that own the memory of these, each once, if it is large."""
    seen = set()
    for array in arrays:
        while array is not None and isinstance(array.base, np.ndarray):
            array = array.base
        if array is not None and array.nbytes >= TRACKED_BYTES and id(array) not in seen:
            seen.add(id(array))
            yield array


def _when_freed(array: NDArray[Any], call: Any, argument: object) -> None:
    weakref.finalize(array, call, argument).atexit = False
