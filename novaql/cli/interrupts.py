"""Work that Ctrl-C ends."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TypeVar

_AGAIN_S = 0.05

T = TypeVar("T")


def interruptible(work: Callable[[], T], interrupt: Callable[[], object]) -> T:
    """Return the result of some work, which runs in a thread.

    After Ctrl-C, `interrupt` is called again and again until the work has ended: work that has not
    begun yet cannot be interrupted. Then `KeyboardInterrupt` is raised, whatever the work returned.
    """
    with _ctrl_c() as pressed, ThreadPoolExecutor(1) as pool:
        running = pool.submit(work)
        while not wait([running], timeout=_AGAIN_S).done:
            if pressed.is_set():
                interrupt()
    if pressed.is_set():
        raise KeyboardInterrupt
    return running.result()


@contextmanager
def _ctrl_c() -> Iterator[threading.Event]:
    """An event that Ctrl-C sets, instead of an exception that may arise between any two steps.

    An exception while a pool starts its thread would leave work that no step interrupts. A process
    that ignores Ctrl-C continues to ignore it.
    """
    pressed = threading.Event()
    raises = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not raises or threading.current_thread() is not threading.main_thread():
        yield pressed
        return
    signal.signal(signal.SIGINT, lambda *_: pressed.set())
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
