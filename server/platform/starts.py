"""When requests begin on the event loop, so that no tenant's requests wait behind all of another's.

What a request does on the loop (its body, its query, its answer) takes most of a millisecond, and
the loop runs everything that is ready before it looks at its sockets again. Eighty clients of one
tenant that ask again at once would so delay each request of another tenant by eighty of theirs.
"""

from __future__ import annotations

import asyncio

from server.platform.fair_queue import FairQueue


class Starts:
    """Lets one request begin in each round of the event loop, of the tenants in turn.

    A request that comes while no other does begins at once. On the event loop only.
    """

    def __init__(self) -> None:
        self._queue: FairQueue[asyncio.Future[None]] = FairQueue()
        self._begun = False  # whether a request has begun in this round

    async def wait(self, tenant: str) -> None:
        """Return when a request of a tenant may begin."""
        loop = asyncio.get_running_loop()
        if not self._begun:
            self._begun = True
            loop.call_soon(self._next_round, loop)
            return
        turn = loop.create_future()
        self._queue.put(tenant, turn)
        await turn

    def _next_round(self, loop: asyncio.AbstractEventLoop) -> None:
        while (taken := self._queue.take()) is not None:
            self._queue.leave(taken.tenant)
            if not taken.item.done():  # its client has not left
                taken.item.set_result(None)
                loop.call_soon(self._next_round, loop)
                return
        self._begun = False
