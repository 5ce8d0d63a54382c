"""Python's garbage collector in a process that serves requests.

A start leaves some hundred thousand objects in memory that stay there: modules, mapped classes,
compiled kernels. A full collection looks at all of them, and for a third of a second nobody is
answered. So what a start has left is taken out of the collector's sight once it is complete, and
collections of what is young are rarer: a request leaves few cycles.
"""

from __future__ import annotations

import gc
import threading

_YOUNG = 20_000


def settle() -> None:
    """Do so now, and again when the kernels are ready that a start compiles or loads."""
    gc.set_threshold(_YOUNG, 20, 20)
    gc.freeze()
    starting = [one for one in threading.enumerate() if one.name.startswith("novaql-compile")]
    if starting:
        threading.Thread(target=_settle, args=(starting,), name="settle", daemon=True).start()


def _settle(starting: list[threading.Thread]) -> None:
    for thread in starting:
        thread.join()
    gc.freeze()
