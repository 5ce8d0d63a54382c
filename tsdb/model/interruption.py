"""Interruption of long work by the thread that does it.

Work with many steps (compiling patterns, matching texts with them) calls `checkpoint` between its
steps. The caller decides what happens there: a query that was cancelled or is out of time raises.
The check belongs to the thread and not to a parameter, because such work is below functions that do
not depend on queries.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class _Thread(threading.local):
    check: Callable[[], object] | None = None


_thread = _Thread()


@contextmanager
def interruptible(check: Callable[[], object]) -> Iterator[None]:
    """Make each checkpoint of this thread call `check`, which may raise. It replaces an outer
    check until the block ends."""
    outer, _thread.check = _thread.check, check
    try:
        yield
    finally:
        _thread.check = outer


def checkpoint() -> None:
    """Call the check of this thread, if there is one. Raises what it raises."""
    if _thread.check is not None:
        _thread.check()
