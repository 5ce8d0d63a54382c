"""Functions in plain Python that numba compiles, all of a set together.

Until a set is ready, and for ever where numba is not installed, what would call it does its work
another way. The kernels of queries are made ready one by one: see `evaluator/kernels/dispatch.py`.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.util import find_spec
from typing import Any, Generic, TypeVar

from novaql.tsdb.runtime.compile_cache import jit

T = TypeVar("T")

Sources = Mapping[str, tuple[Callable[..., Any], tuple[Any, ...]]]
"""Name → the function and the types of its arguments, numba's."""


class CompiledSet(Generic[T]):
    """The functions of a set, once `prepare` was there.

    name     of the thread that compiles in the background
    sources  called when they are to be compiled, and no sooner: it may import numba
    made     makes what `ready` gives of the compiled functions, named as in `sources`
    """

    def __init__(self, name: str, sources: Callable[[], Sources], made: Callable[..., T]) -> None:
        self._name, self._sources, self._made = name, sources, made
        self._lock = threading.Lock()
        self._background: threading.Thread | None = None
        self._compiled: T | None = None

    def ready(self) -> T | None:
        """They run without the interpreter's lock; None before `prepare`."""
        return self._compiled

    def prepare(self, *, goes_on: Callable[[], bool] = lambda: True) -> dict[str, float]:
        """Compile, or load from numba's cache: function → seconds.

        goes_on  asked between functions; when it says no, the rest is left

        Nothing where numba is not installed, where they are ready, or with `NOVAQL_COMPILED=off`.
        """
        took: dict[str, float] = {}
        if os.environ.get("NOVAQL_COMPILED") == "off" or find_spec("numba") is None:
            return took
        with self._lock:
            if self._compiled is not None:
                return took
            compiled: dict[str, Callable[..., Any]] = {}
            for name, (function, signature) in self._sources().items():
                if not goes_on():
                    return took
                began = time.perf_counter()
                compiled[name] = _compile(function, signature)
                took[name] = time.perf_counter() - began
            self._compiled = self._made(**compiled)
        return took

    def prepare_in_background(self) -> None:
        """`prepare` on a thread of its own; where it fails nothing is ready, as before.

        A program that ends waits for one function at most.
        """
        if self._background is not None or self._compiled is not None:
            return

        main = threading.main_thread()

        def run() -> None:
            with suppress(ImportError, OSError):
                self.prepare(goes_on=main.is_alive)

        self._background = threading.Thread(target=run, name=self._name)
        self._background.start()


def _compile(function: Callable[..., Any], signature: tuple[Any, ...]) -> Callable[..., Any]:
    compiled = jit(function, nogil=True)
    compiled.compile(signature)
    compiled.disable_compile()
    made: Callable[..., Any] = compiled
    return made
