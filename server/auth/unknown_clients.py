"""Rate limit of requests without a valid token, by address. It slows down guessing of tokens."""

from __future__ import annotations

import time
from collections import OrderedDict

from starlette.requests import Request

from novaql.server.errors import RateLimited

_ADDRESSES = 10_000
_WINDOW_S = 60.0


class UnauthenticatedRateLimit:
    """Counts rejected requests of each address in this process.

    limit  rejected requests a minute that get a 401; further ones get a 429. 0: unlimited
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._seen: OrderedDict[str, tuple[float, int]] = OrderedDict()

    async def count(self, request: Request) -> None:
        """Count a rejected request. Raises `RateLimited` above the limit."""
        if not self._limit:
            return
        now = time.monotonic()
        address = request.client.host if request.client else ""
        began, count = self._seen.pop(address, (now, 0))
        if now - began >= _WINDOW_S:
            began, count = now, 0
        self._seen[address] = began, count + 1
        if len(self._seen) > _ADDRESSES:
            self._seen.popitem(last=False)
        if count >= self._limit:
            wait = max(1, round(began + _WINDOW_S - now))
            raise RateLimited(
                "too many requests without a valid token", headers={"Retry-After": str(wait)}
            )
