"""Python's garbage collector in a process that serves requests.

A start allocates some hundred thousand permanent objects: modules, mapped classes, compiled
kernels. A full collection would traverse all of them and block all answers for a third of a second.
These objects are therefore frozen after the start, and collections of young objects are rarer,
because a request creates few cycles. A collection of the middle generation, of objects that have
survived one collection, takes 5 ms for each collection of young objects since the last one: it
comes after five, and full collections are as rare as with the usual twenty.
"""

from __future__ import annotations

import gc
import threading

_YOUNG = 20_000


def settle() -> None:
    """Freeze now, and again after the kernels of the start are compiled or loaded."""
    gc.set_threshold(_YOUNG, 5, 80)
    gc.freeze()
    starting = [one for one in threading.enumerate() if one.name.startswith("novaql-compile")]
    if starting:
        threading.Thread(target=_settle, args=(starting,), name="settle", daemon=True).start()


def _settle(starting: list[threading.Thread]) -> None:
    for thread in starting:
        thread.join()
    gc.freeze()
