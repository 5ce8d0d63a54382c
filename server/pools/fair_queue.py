"""A queue that serves tenants in turn, for every pool that tenants share.

Each tenant has a queue of its own. The next item is one of the tenant with the fewest items in
work; among equals, of the tenant that was served longest ago. So a tenant alone may use the whole
pool, and a tenant that adds a thousand items delays another's first item by one item at most.

The items that wait are bounded in all and for each tenant. When the queue is full, a tenant that
has fewer items waiting than another displaces the last item of the tenant with the most.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, NamedTuple, TypeVar

Item = TypeVar("Item")


class QueueFull(Exception):
    """The queue takes no more items of this tenant now."""


class QueueItem(NamedTuple, Generic[Item]):
    """An item whose turn has come, and its tenant."""

    tenant: str
    item: Item


class FairQueue(Generic[Item]):
    """Items that wait and items in work, by tenant. Not safe to use from several threads: the
    caller holds its lock.

    most         items that may wait; None: any number
    share        items of one tenant that may wait; None: half of `most`, and at least one of them
    most_active  items of one tenant that `take` lets be in work; None: any number
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
        """Items that wait."""
        return self._size

    def waiting(self, tenant: str) -> int:
        """Items of a tenant that wait."""
        return len(self._waiting.get(tenant, ()))

    def active(self, tenant: str) -> int:
        """Items of a tenant in work."""
        return self._active.get(tenant, 0)

    def put(self, tenant: str, item: Item) -> QueueItem[Item] | None:
        """Add an item behind the tenant's others; the item that it displaced, or None.

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
        """Have an item that was in work wait again, as of `put_first`."""
        self.leave(tenant)
        self.put_first(tenant, item)

    def put_first(self, tenant: str, item: Item) -> None:
        """Add an item that was admitted before, so the bounds do not apply: before the tenant's
        others, after other tenants."""
        queue = self._waiting.pop(tenant, None) or deque()
        queue.appendleft(item)
        self._waiting[tenant] = queue
        self._size += 1

    def take(self) -> QueueItem[Item] | None:
        """The item whose turn it is, in work from now on; None if no item waits, or the tenants
        of those that do have as many in work as they may."""
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
        """Count an item that did not need to wait as in work."""
        self._active[tenant] = self.active(tenant) + 1

    def leave(self, tenant: str) -> None:
        """An item in work has ended."""
        left = self._active[tenant] - 1
        if left:
            self._active[tenant] = left
        else:
            del self._active[tenant]

    def remove(self, tenant: str, item: Item) -> bool:
        """Take out an item that waits; whether it did."""
        queue = self._waiting.get(tenant)
        if queue is None or item not in queue:
            return False
        queue.remove(item)
        if not queue:
            del self._waiting[tenant]
        self._size -= 1
        return True

    def clear(self) -> list[Item]:
        """Take out everything that waits."""
        items = [item for queue in self._waiting.values() for item in queue]
        self._waiting.clear()
        self._size = 0
        return items

    def is_due_to(self, tenant: str) -> bool:
        """Whether a tenant in work should let another by: one waits that has less in work."""
        mine = self.active(tenant)
        return any(self.active(other) < mine for other in self._waiting if other != tenant)
