"""Targets that have ended, until staleness markers are stored for their series."""

from __future__ import annotations

import asyncio

from novaql.server.scraping.loop import ScrapeLoop

Key = tuple[str, str]
"""The name of a job, and the key of one of its targets."""


class Endings:
    """The ended targets of all jobs of a tenant. For use on the manager's event loop only."""

    def __init__(self) -> None:
        self._of: dict[Key, tuple[ScrapeLoop, asyncio.Task[None]]] = {}

    def add(self, key: Key, loop: ScrapeLoop) -> None:
        """End the series of a target, unless `take` is called before."""
        task = asyncio.create_task(loop.end())
        self._of[key] = loop, task
        task.add_done_callback(lambda done: self._remove(key, done))

    def take(self, key: Key) -> ScrapeLoop | None:
        """Return the last loop of a target that begins again, and store no markers for it. None:
        the target has not ended recently."""
        loop, task = self._of.pop(key, (None, None))
        if task is not None:
            task.cancel()
        return loop

    async def stop(self) -> None:
        """Cancel all tasks: nothing is stored."""
        tasks = [task for _, task in self._of.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _remove(self, key: Key, done: asyncio.Task[None]) -> None:
        _, task = self._of.get(key, (None, None))
        if task is done:
            del self._of[key]
