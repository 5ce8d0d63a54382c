"""The budget of bytes for all request bodies with samples, shared fairly between tenants.

A body reserves bytes as they arrive, so a slow sender holds only what it has sent. One tenant may
use the whole budget while no other needs bytes. If another tenant needs some, a tenant with more
than half of the budget waits, and its youngest bodies are rejected with a 503.

Not thread-safe: only for the event loop.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from types import TracebackType

from novaql.server.errors import Busy

WAIT_S = 10.0
"""How long a body waits for bytes of the budget before it is rejected."""


class BodyBudget:
    """The bytes of all bodies that are being received, wait for a thread, or are being decoded.

    most    the largest number of bytes
    wait_s  how long a body waits for bytes before it is rejected
    """

    def __init__(self, most: int, *, wait_s: float = WAIT_S) -> None:
        self._most = most
        self._wait_s = wait_s
        self._bodies: dict[str, list[HeldBody]] = defaultdict(list)  # the youngest is last
        self._waiting: list[HeldBody] = []
        self.used = 0

    def body(self, tenant: str) -> HeldBody:
        """Return a context for one body of a tenant. Its end releases the bytes."""
        return HeldBody(self, tenant)

    def held_by(self, tenant: str) -> int:
        """Return the bytes of a tenant's bodies."""
        return sum(body.octets for body in self._bodies.get(tenant, ()))

    def _add(self, body: HeldBody) -> None:
        self._bodies[body.tenant].append(body)

    def _remove(self, body: HeldBody) -> None:
        self.used -= body.octets
        body.octets = 0
        bodies = self._bodies[body.tenant]
        bodies.remove(body)
        if not bodies:
            del self._bodies[body.tenant]
        self._wake()

    def _may_take(self, body: HeldBody, octets: int) -> bool:
        if self.used + octets > self._most:
            return False
        if self._within_half(body, octets):
            return True
        return not any(other.tenant != body.tenant for other in self._waiting)

    def _within_half(self, body: HeldBody, octets: int) -> bool:
        return 2 * (self.held_by(body.tenant) + octets) <= self._most

    def _take(self, body: HeldBody, octets: int) -> bool:
        # The usual case needs no search of the other bodies.
        full = self.used + octets > self._most
        if full or (self._waiting and not self._may_take(body, octets)):
            return False
        body.octets += octets
        self.used += octets
        return True

    async def _wait(self, body: HeldBody, octets: int) -> None:
        if octets > self._most:
            raise _busy()
        body.wanted, body.granted = octets, asyncio.get_running_loop().create_future()
        self._waiting.append(body)
        try:
            if self._within_half(body, octets):
                self._give_up_youngest(body.tenant, octets)
            async with asyncio.timeout(self._wait_s):
                await body.granted
        except TimeoutError:
            raise _busy() from None
        finally:
            if body in self._waiting:
                self._waiting.remove(body)
                self._wake()

    def _give_up_youngest(self, tenant: str, octets: int) -> None:
        """Reject the youngest bodies of tenants that hold more than half."""
        lacking = self.used + octets - self._most
        for other in list(self._bodies):
            held = self.held_by(other)
            for body in reversed(self._bodies[other]):
                if other == tenant or lacking <= 0 or 2 * held <= self._most:
                    break
                if body.octets and body.give_up():
                    lacking -= body.octets
                    held -= body.octets

    def _wake(self) -> None:
        for body in list(self._waiting):
            if self._may_take(body, body.wanted):
                self._waiting.remove(body)
                body.octets += body.wanted
                self.used += body.wanted
                if body.granted is not None and not body.granted.done():
                    body.granted.set_result(None)


class HeldBody:
    """The bytes that one body holds. A `pinned` body is not rejected in favour of others."""

    def __init__(self, budget: BodyBudget, tenant: str) -> None:
        self.tenant = tenant
        self.octets = 0
        self.wanted = 0
        self.granted: asyncio.Future[None] | None = None
        self.pinned = False
        self._budget = budget
        self._task: asyncio.Task[object] | None = None
        self._given_up = False

    async def grow(self, octets: int) -> None:
        """Reserve more bytes; wait for them if necessary. Raises `Busy` at the end of the wait."""
        if not self._budget._take(self, octets):
            await self._budget._wait(self, octets)

    def give_up(self) -> bool:
        """Make the task of the body raise `Busy`. Return whether that was possible."""
        if self.pinned or self._given_up or self._task is None:
            return False
        if self._task is asyncio.current_task():
            return False
        self._given_up = True
        self._task.cancel()
        return True

    def __enter__(self) -> HeldBody:
        self._task = asyncio.current_task()
        self._budget._add(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        _: TracebackType | None,
    ) -> None:
        self._budget._remove(self)
        if self._given_up and isinstance(problem, asyncio.CancelledError):
            assert self._task is not None
            if self._task.uncancel() == 0:
                raise _busy() from None


def _busy() -> Busy:
    return Busy("too many bodies at once", headers={"Retry-After": "1", "Connection": "close"})
