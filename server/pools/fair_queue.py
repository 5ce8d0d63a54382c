"""A queue that serves tenants in turn, used by every pool that tenants share.

Each tenant has its own queue. The next item belongs to the tenant with the fewest active items;
among equals, to the tenant that was served longest ago. A single tenant can therefore use the whole
pool, and a tenant that adds a thousand items delays another tenant's first item by one item at
most.

The number of waiting items is bounded, in total and for each tenant. If the queue is full, a tenant
that has fewer waiting items than another displaces the last item of the tenant with the most.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, NamedTuple, TypeVar

Item = TypeVar("Item")


class QueueFull(Exception):
    """The queue cannot accept another item of this tenant now."""


class QueueItem(NamedTuple, Generic[Item]):
    """An item that left the queue in its turn, and its tenant."""

    tenant: str
    item: Item


class FairQueue(Generic[Item]):
    """Waiting and active items by tenant. Not thread-safe: the caller holds its lock.

    most         the largest number of waiting items; None: unlimited
    share        the same for one tenant; None: half of `most`, and at least one item
    most_active  the number of active items of one tenant above which `take` skips it; None:
                 unlimited
    """

    def __init__(
        self, most: int | None = None, share: int | None = None, *, most_active: int | None = None
    ) -> None:
        self._most = most
        self._most_active = most_active
        self._share = (most + 1) // 2 if share is None and most is not None else share
        self._waiting: dict[str, deque[Item]] = {}  # in the order in which tenants are served
        self._active: dict[str, int] = {}
        self._size = 0

    def __len__(self) -> int:
        """Return the number of waiting items."""
        return self._size

    def waiting(self, tenant: str) -> int:
        """Return the number of waiting items of a tenant."""
        return len(self._waiting.get(tenant, ()))

    def active(self, tenant: str) -> int:
        """Return the number of active items of a tenant."""
        return self._active.get(tenant, 0)

    def put(self, tenant: str, item: Item) -> QueueItem[Item] | None:
        """Add an item behind the tenant's others. Return the item that it displaced, or None.

        Raises `QueueFull`, and adds nothing.
        """
        mine = self.waiting(tenant)
        if self._share is not None and mine >= self._share:
            raise QueueFull
        displaced = None
        if self._most is not None and self._size >= self._most:
            longest = max(self._waiting, key=self.waiting, default=tenant)
            if self.waiting(longest) <= mine + 1:
                raise QueueFull
            displaced = QueueItem(longest, self._waiting[longest].pop())
            self._size -= 1
        self._waiting.setdefault(tenant, deque()).append(item)
        self._size += 1
        return displaced

    def put_back(self, tenant: str, item: Item) -> None:
        """Make an active item wait again, like `put_first`."""
        self.leave(tenant)
        self.put_first(tenant, item)

    def put_first(self, tenant: str, item: Item) -> None:
        """Add an item that was admitted earlier, without the bounds: before the tenant's others,
        after other tenants."""
        queue = self._waiting.pop(tenant, None) or deque()
        queue.appendleft(item)
        self._waiting[tenant] = queue
        self._size += 1

    def take(self) -> QueueItem[Item] | None:
        """Remove and return the next item, which becomes active. None if no item waits, or if the
        tenants of all waiting items have reached `most_active`."""
        if not self._waiting:
            return None
        tenant = min(self._waiting, key=self.active)  # the first of equals
        if self._most_active is not None and self.active(tenant) >= self._most_active:
            return None
        queue = self._waiting.pop(tenant)
        item = queue.popleft()
        if queue:
            self._waiting[tenant] = queue
        self._size -= 1
        self.enter(tenant)
        return QueueItem(tenant, item)

    def enter(self, tenant: str) -> None:
        """Count an item as active that did not have to wait."""
        self._active[tenant] = self.active(tenant) + 1

    def leave(self, tenant: str) -> None:
        """Count an active item as ended."""
        left = self._active[tenant] - 1
        if left:
            self._active[tenant] = left
        else:
            del self._active[tenant]

    def remove(self, tenant: str, item: Item) -> bool:
        """Remove a waiting item. Return whether it was in the queue."""
        queue = self._waiting.get(tenant)
        if queue is None or item not in queue:
            return False
        queue.remove(item)
        if not queue:
            del self._waiting[tenant]
        self._size -= 1
        return True

    def clear(self) -> list[Item]:
        """Remove and return all waiting items."""
        items = [item for queue in self._waiting.values() for item in queue]
        self._waiting.clear()
        self._size = 0
        return items

    def is_due_to(self, tenant: str) -> bool:
        """Return whether an active tenant should yield: a waiting tenant has fewer active items."""
        mine = self.active(tenant)
        return any(self.active(other) < mine for other in self._waiting if other != tenant)
