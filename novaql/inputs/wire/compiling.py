"""The compiled walk, once it is made ready."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any


@dataclass(frozen=True, slots=True)
class Kernels:
    """The functions of `wire.kernels` and `wire.text_kernels`, compiled."""

    walk: Callable[..., Any]
    label_texts: Callable[..., Any]
    enter: Callable[..., Any]
    spread: Callable[..., Any]
    walk_text: Callable[..., Any]


class _State:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.kernels: Kernels | None = None
        self.background: threading.Thread | None = None


_state = _State()


def ready() -> Kernels | None:
    """The kernels; None before `prepare`."""
    return _state.kernels


def prepare(*, goes_on: Callable[[], bool] = lambda: True) -> dict[str, float]:
    """Compile the kernels, or load them from numba's cache: kernel → seconds.

    goes_on  asked between kernels; when it says no, the rest is left

    Nothing where numba is not installed, where they are ready, or with `NOVAQL_COMPILED=off`.
    """
    took: dict[str, float] = {}
    if os.environ.get("NOVAQL_COMPILED") == "off" or find_spec("numba") is None:
        return took
    with _state.lock:
        if _state.kernels is not None:
            return took
        import numba  # noqa: PLC0415 - slow to load, and absent without the extra

        from novaql.inputs.wire import kernels, text_kernels  # noqa: PLC0415 - they import numba

        made: dict[str, Callable[..., Any]] = {}
        signatures = kernels.SIGNATURES | text_kernels.SIGNATURES
        for name, signature in signatures.items():
            if not goes_on():
                return took
            began = time.perf_counter()
            function = getattr(kernels, name, None) or getattr(text_kernels, name)
            try:
                compiled = numba.njit(nogil=True, cache=True)(function)
            except RuntimeError:  # no folder for a cache can be written
                compiled = numba.njit(nogil=True)(function)
            compiled.compile(signature)
            compiled.disable_compile()
            made[name] = compiled
            took[name] = time.perf_counter() - began
        _state.kernels = Kernels(**made)
    return took


def prepare_in_background() -> None:
    """`prepare` on a thread of its own; where it fails the plain decoder goes on answering.

    A program that ends waits for one kernel at most.
    """
    if _state.background is not None or _state.kernels is not None:
        return

    main = threading.main_thread()

    def run() -> None:
        with suppress(ImportError, OSError):
            prepare(goes_on=main.is_alive)

    _state.background = threading.Thread(target=run, name="novaql-compile-wire")
    _state.background.start()
