"""Memory that large queries have freed goes back to the system.

The allocator of glibc holds freed memory in an arena for each thread, up to the last block that is
still in use there. After two refused queries of 400 MB each, the process would hold 800 MB.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Callable

FREED_BYTES = 64 << 20
"""So much must have been freed before it is worth a call: about 0.1 s for a gigabyte."""

_DELAY_S = 0.2


def malloc_trim() -> None:
    """Have the allocator give unused pages back, where it is one that does so on demand."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


class MemoryReturn:
    """Calls `give_back` on a thread of its own, soon after enough memory was freed, and not more
    often than five times a second. Safe to use from several threads."""

    def __init__(self, give_back: Callable[[], object] = malloc_trim) -> None:
        self._give_back = give_back
        self._lock = threading.Lock()
        self._freed = 0
        self._pending = False

    def note(self, size: int) -> None:
        """So many bytes are no longer reserved; what held them is freed about now."""
        with self._lock:
            self._freed += size
            if self._pending or self._freed < FREED_BYTES:
                return
            self._pending = True
        timer = threading.Timer(_DELAY_S, self._run)
        timer.daemon = True
        timer.start()

    def _run(self) -> None:
        with self._lock:
            self._freed = 0
            self._pending = False
        self._give_back()
