"""Whether `MODULES` are compiled. Until then, NumPy and pcodec do what they do.

They are made ready by `prepare` (`novaql warmup`, a server at its start), or on a thread of its own
once a process has decoded as much as loading them is worth: a short program never imports numba.
`NOVAQL_COMPILED=off` keeps it so, `on` compiles before the first page.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import blake2b
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from novaql.tsdb.model.labels import Ints
from novaql.tsdb.model.samples import Floats
from novaql.tsdb.runtime.buffer_pool import BUFFERS
from novaql.tsdb.runtime.compile_cache import jit

MODULES = ("outline", "spread", "unfold", "holes")
"""Of this folder: those whose `SIGNATURES` name functions to compile."""
MARGIN = 16 + 256 * (14 + 64) // 8
"""Bytes that must follow a column in its array: what decoding 256 numbers may look at, unused."""
PLAIN, NANS, OTHER = 0, 1, 2
"""What `unfold` made of a page: it is written and has no NaN, it has some, it is left to others."""
WORTH_LOADING = 1 << 25
"""Values that NumPy decodes in about the time that loading takes."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """The functions of those files. They run without the interpreter's lock."""

    outline: Callable[..., Any]
    settle: Callable[..., bool]
    needs: Callable[..., Any]
    spread: Callable[..., bool]
    unfold: Callable[..., None]
    unfold_times: Callable[..., None]
    holes: CompiledHoles


@dataclass(frozen=True, slots=True)
class CompiledHoles:
    """`bundling.Holes` by the functions of `holes`."""

    find_markers: Callable[..., Any]
    drop_values: Callable[..., int]
    drop_numbers: Callable[..., None]

    def find(self, values: Floats) -> Ints:
        found: Ints = self.find_markers(values.view(np.int64))
        return found

    def drop(self, values: Floats, at: Ints) -> Floats:
        return values[: self.drop_values(values, at)]

    def drop_of_pieces(
        self, numbers: Ints, begins: Ints, lengths: Ints, holes: Ints, counts: Ints
    ) -> Ints:
        offsets = np.append(0, np.cumsum(counts))
        left = BUFFERS.ints(int(lengths.sum() - offsets[-1]))
        self.drop_numbers(numbers, begins, lengths, holes, offsets, left)
        return left


class _State:
    def __init__(self) -> None:
        self.mode = os.environ.get("NOVAQL_COMPILED", "auto")
        self.lock = threading.Lock()
        self.made: Compiled | None = None
        self.work = 0
        self.background: threading.Thread | None = None


_state = _State()


def ready(work: int) -> Compiled | None:
    """None where NumPy is to decode. work: values that will be."""
    if _state.mode == "off":
        return None
    if _state.made is None:
        if _state.mode == "on":
            prepare()
        elif _state.background is None:
            _state.work += work
            if _state.work >= WORTH_LOADING:
                _prepare_in_background()
    return _state.made


def prepare(*, goes_on: Callable[[], bool] = lambda: True) -> dict[str, float]:
    """Compile, or load from numba's cache: function → seconds.

    goes_on  asked before; when it says no, nothing is done

    Nothing where numba is not installed, where they are ready, or with `NOVAQL_COMPILED=off`.
    """
    with _state.lock:
        if _state.made is not None or _state.mode == "off" or find_spec("numba") is None:
            return {}
        if not goes_on():
            return {}
        began = time.perf_counter()
        made: list[Any] = []
        modules = [import_module(f"novaql.tsdb.codec.numba.{name}") for name in MODULES]
        version = _version()
        for module in modules:
            for name, signature in module.SIGNATURES.items():
                function = getattr(module, name)
                function.__qualname__ = f"{name}-{version}"  # what its file in the cache is called
                made.append(_compile(function, signature))
        _state.made = Compiled(
            made[0], made[1], made[2], made[3], made[4], made[5], CompiledHoles(*made[6:])
        )
        return {"pages": time.perf_counter() - began}


def _version() -> str:
    """Of the functions' sources: numba looks at the file of a function only, not at those that it
    calls functions of."""
    digest = blake2b(digest_size=6)
    for name in (*MODULES, "pco", "entropy", "jit", "../../runtime/numba_refs"):
        digest.update((Path(__file__).parent / f"{name}.py").read_bytes())
    return digest.hexdigest()


def _compile(function: Callable[..., Any], signature: tuple[Any, ...]) -> Callable[..., Any]:
    compiled = jit(function, nogil=True, error_model="numpy")
    compiled.compile(signature)
    compiled.disable_compile()
    made: Callable[..., Any] = compiled
    return made


def _prepare_in_background() -> None:
    main = threading.main_thread()

    def run() -> None:
        with suppress(ImportError, OSError):  # a numba that cannot be used is as good as none
            prepare(goes_on=main.is_alive)

    thread = threading.Thread(target=run, name="novaql-compile-pages")
    _state.background = thread
    thread.start()


def _after_fork() -> None:
    """A forked process lacks the thread that was compiling, and may never get its locks."""
    if _state.background is not None and _state.made is None:
        _state.mode = "off"


os.register_at_fork(after_in_child=_after_fork)


@contextmanager
def forced(mode: str) -> Iterator[None]:
    """Another mode for a while, for the whole process: for tests and comparisons. off: NumPy."""
    before = _state.mode
    _state.mode = mode
    try:
        yield
    finally:
        _state.mode = before
