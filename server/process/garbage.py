"""Python's garbage collector in a process that serves requests.

A start allocates some hundred thousand permanent objects: modules, mapped classes, compiled
kernels. A full collection would traverse all of them and block all answers for a third of a second.
The collector is therefore off during the start, where collections find little and take a fifth of
the time, and then these objects are frozen. Collections of young objects are rarer, because a
request creates few cycles. A collection of the middle generation, of objects that have
survived one collection, takes 5 ms for each collection of young objects since the last one: it
comes after five, and full collections are as rare as with the usual twenty.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from novaql.server.process.library_pages import release_libraries

_YOUNG = 20_000


@contextmanager
def until_settled() -> Iterator[None]:
    """Collect no garbage in the block until `settle` is called."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextmanager
def paused() -> Iterator[None]:
    """Collect no garbage in the block, and freeze what was allocated in it."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()


def settle() -> None:
    """Freeze now, including the garbage of the start: 35 000 small objects, whose collection would
    not make the process smaller. Collect garbage from now on. Collect and freeze on a thread, and
    release the pages of libraries, after kernels are compiled or loaded."""
    gc.set_threshold(_YOUNG, 5, 80)
    gc.freeze()
    gc.enable()
    starting = [one for one in threading.enumerate() if one.name.startswith("novaql-compile")]
    threading.Thread(target=_settle, args=(starting,), name="settle", daemon=True).start()


def _settle(starting: list[threading.Thread]) -> None:
    for thread in starting:
        thread.join()
    gc.collect()
    gc.freeze()
    release_libraries()
