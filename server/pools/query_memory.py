"""The memory budget for all queries of a process, shared between tenants.

A query reserves its memory if it needs more than a few megabytes. If the budget is used up, it
waits, and tenants take turns. A single tenant may use three quarters; a tenant that has half gets
no more while another waits.
"""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Callable
from time import monotonic

from novaql import Cancellation, LimitExceeded, QueryCancelled
from novaql.fast_dataclass import dataclass
from novaql.server.errors import Busy
from novaql.server.pools.machine_memory import usable_memory
from novaql.server.pools.memory_return import MemoryReturn
from novaql.server.settings import Settings

SHARE = 4
"""Queries may use 1/4 of the memory; the rest is for caches, writes and code."""

LONGEST_WAIT_S = 10.0
"""A query that waits longer is rejected with a 503."""

_LOOKED_AFTER_S = 0.05


class QueryMemory:
    """The bytes that queries hold. Thread-safe.

    total           of all queries of this process
    longest_wait_s  a query that waits longer is rejected
    """

    def __init__(self, total: int, *, longest_wait_s: float = LONGEST_WAIT_S) -> None:
        self.total = total
        self._longest_wait_s = longest_wait_s
        self.used = 0
        self.held: defaultdict[str, int] = defaultdict(int)
        self._waiting: defaultdict[str, deque[object]] = defaultdict(deque)
        self._turns: deque[str] = deque()  # waiting tenants, the next one first
        self._changed = threading.Condition()
        self._return = MemoryReturn()

    @property
    def most_of_one(self) -> int:
        """The bytes that one tenant may hold while no other waits, and so the most that a query may
        need."""
        return self.total // 4 * 3

    def of(self, tenant: str, cancellation: Cancellation | None = None) -> TenantMemory:
        """Return the budget for the queries of a tenant.

        cancellation  ends a wait
        """
        return TenantMemory(self, tenant, cancellation)

    def reserve(self, tenant: str, size: int, ended: Callable[[], bool] = lambda: False) -> None:
        """Reserve `size` bytes for a query of a tenant; wait for them in its turn.

        ended  returns whether the query is cancelled

        Raises `Busy` at the end of the wait, `QueryCancelled`, and `LimitExceeded` if the budget
        can never have so many bytes.
        """
        if size > self.most_of_one:
            raise LimitExceeded(
                f"the query needs {size >> 20} MiB more, "
                f"a tenant's queries may have {self.most_of_one >> 20} MiB together"
            )
        with self._changed:
            if not self._turns and self._fits(tenant, size):
                self._take(tenant, size)
                return
            self._wait(tenant, size, ended)

    def release(self, tenant: str, size: int) -> None:
        """Release bytes."""
        with self._changed:
            self.used -= size
            self.held[tenant] -= size
            if not self.held[tenant]:
                del self.held[tenant]
            self._changed.notify_all()
        self._return.note(size)

    def _wait(self, tenant: str, size: int, ended: Callable[[], bool]) -> None:
        ticket = object()
        ends = monotonic() + self._longest_wait_s
        line = self._waiting[tenant]
        line.append(ticket)
        if tenant not in self._turns:
            self._turns.append(tenant)
        try:
            while not (line[0] is ticket and self._is_next(tenant) and self._fits(tenant, size)):
                if ended():
                    raise QueryCancelled("the query was cancelled")
                if monotonic() > ends:
                    raise Busy("the memory for queries is in use", headers={"Retry-After": "2"})
                self._changed.wait(_LOOKED_AFTER_S)
            self._take(tenant, size)
        finally:
            line.remove(ticket)
            self._turns.remove(tenant)
            if line:  # behind the others
                self._turns.append(tenant)
            else:
                del self._waiting[tenant]
            self._changed.notify_all()

    def _is_next(self, tenant: str) -> bool:
        """Return whether no tenant before it in the queue could proceed. A tenant that has its half
        is skipped."""
        for other in self._turns:
            if other == tenant:
                return True
            if self.held[other] < self.total // 2:
                return False
        return True

    def _fits(self, tenant: str, size: int) -> bool:
        others_wait = any(other != tenant for other in self._turns)
        most = self.total // 2 if others_wait else self.most_of_one
        return self.used + size <= self.total and self.held[tenant] + size <= most

    def _take(self, tenant: str, size: int) -> None:
        self.used += size
        self.held[tenant] += size


def memory_for_queries(settings: Settings) -> int:
    """Return the bytes for the queries of this process, one of `workers`."""
    total = settings.query_memory_bytes or usable_memory() // SHARE
    return total // settings.workers


@dataclass(frozen=True, slots=True)
class TenantMemory:
    """The reservations of one tenant's queries: implements `novaql.options.SharedMemory`."""

    memory: QueryMemory
    tenant: str
    cancellation: Cancellation | None = None

    def reserve(self, size: int) -> None:
        """Reserve bytes, or wait for them. Raises the errors of `QueryMemory.reserve`."""
        cancellation = self.cancellation or Cancellation()
        self.memory.reserve(self.tenant, size, lambda: cancellation.cancelled)

    def release(self, size: int) -> None:
        """Release bytes."""
        self.memory.release(self.tenant, size)
