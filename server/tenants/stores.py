"""The stores of all tenants: one database each, opened at its first use."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from novaql.server.tenants.store import Store, numeric_stats

Opener = Callable[[str], Store]


def not_here(tenant_id: str) -> Store:
    """Raise an error: this process owns no stores, and the request has to be forwarded to the
    owner."""
    raise AssertionError(
        f"a worker requested the samples of {tenant_id}: the endpoint lacks `samples=True`"
    )


class Stores:
    """Open stores by tenant. Thread-safe.

    opener  opens a tenant's store; raises a `StoreError` if that fails
    given   stores that are open already
    """

    def __init__(self, opener: Opener, given: Mapping[str, Store] | None = None) -> None:
        self._opener = opener
        self._open: dict[str, Store] = dict(given or {})
        self._lock = threading.Lock()
        self._opening: dict[str, threading.Lock] = {}

    def is_open(self, tenant_id: str) -> bool:
        """Return whether `of` returns at once."""
        return tenant_id in self._open

    def of(self, tenant_id: str) -> Store:
        """Return the tenant's store. The first call opens it, which may take a while."""
        found = self._open.get(tenant_id)
        if found is not None:
            return found
        with self._lock:
            turn = self._opening.setdefault(tenant_id, threading.Lock())
        with turn:
            found = self._open.get(tenant_id)
            if found is None:
                found = self._open[tenant_id] = self._opener(tenant_id)
            return found

    def open_ones(self) -> dict[str, Store]:
        """Return the stores that are open now, by tenant."""
        return dict(self._open)

    def stats(self) -> dict[str, float]:
        """Return numeric statistics, summed over the open stores."""
        total: dict[str, float] = {}
        for store in self.open_ones().values():
            for name, value in numeric_stats(store).items():
                total[name] = total.get(name, 0.0) + value
        return total

    def close(self) -> None:
        """Close all stores."""
        with self._lock:
            stores, self._open = self._open, {}
        for store in stores.values():
            store.close()
