"""Which of a pair of kernels answers: the one in NumPy or its twin compiled by numba.

NumPy answers until twins are ready. They are made ready by `prepare_all` (`novaql warmup`, a server
at its start), or in the background once the process has asked for as much work as loading them is
worth; so a cold process with small questions never imports numba. Where numba is not installed
NumPy answers everything. `NOVAQL_COMPILED=off` keeps it so, `on` compiles at the first use and
answers everything with twins, whatever the size.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import Enum
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from novaql.evaluator.kernels.compensated import Bools, Floats, Ints

MODULES = (
    "strips", "strip_rates", "strip_folds", "groups", "strip_windows", "strip_changes",
    "strip_lines", "strip_ordered",
)  # fmt: skip
"""Files of `compiled/`, those that most queries need first."""

WORTH_LOADING = 1 << 25
"""Values that NumPy computes in about the time that loading the twins takes."""


class Mode(Enum):
    """off: NumPy alone; auto: twins that are ready; on: twins, made ready at the first use."""

    OFF = "off"
    AUTO = "auto"
    ON = "on"


def _mode_from_environment() -> Mode:
    text = os.environ.get("NOVAQL_COMPILED", "auto")
    return Mode(text) if text in ("off", "on") else Mode.AUTO


class _State:
    """What is ready in this process."""

    def __init__(self) -> None:
        self.mode = _mode_from_environment()
        self.ready: dict[str, Callable[..., Any]] = {}
        self.complete = False
        self.work = 0
        self.lock = threading.Lock()
        self.background: threading.Thread | None = None


_state = _State()


def twin(name: str, work: int) -> Callable[..., Any] | None:
    """The compiled kernel of this name, or None where NumPy is to answer.

    work  about how many values will be looked at or computed
    """
    if _state.mode is Mode.OFF:
        return None
    found = _state.ready.get(name)
    if found is not None:
        return found
    if _state.mode is Mode.ON:
        prepare_all()
        return _state.ready.get(name)
    if not _state.complete and _state.background is None:
        _state.work += work
        if _state.work >= WORTH_LOADING:
            prepare_in_background()
            _state.work = 0  # where there is no numba, ask again after as much work
    return None


def ready(work: int) -> bool:
    """Whether all twins are ready and to be used. work: as that of `twin`."""
    if _state.mode is Mode.OFF:
        return False
    if not _state.complete:
        twin("", work)
    return _state.complete


def kernel(name: str) -> Callable[..., Any]:
    """A twin, after `ready` has said yes."""
    return _state.ready[name]


@cache
def available() -> bool:
    """Whether numba is installed. Does not import it."""
    return find_spec("numba") is not None


def prepare_all(*, goes_on: Callable[[], bool] = lambda: True) -> dict[str, float]:
    """Compile every twin, or load it from the cache; kernel → seconds. Nothing without numba.

    goes_on  asked between kernels; when it says no, the rest is left
    """
    took: dict[str, float] = {}
    with _state.lock:
        if _state.complete or _state.mode is Mode.OFF or not available():
            return took
        jit = import_module("novaql.evaluator.kernels.compiled.jit")
        for module in MODULES:
            import_module(f"novaql.evaluator.kernels.compiled.{module}")
        for name in jit.KERNELS:
            if not goes_on():
                return took
            began = time.perf_counter()
            _state.ready[name] = jit.prepare(name)
            took[name] = time.perf_counter() - began
        _state.complete = True
    return took


def prepare_in_background(*, then: Callable[..., object] | None = None) -> None:
    """`prepare_all` on a thread of its own. A program that ends waits for one kernel at most.

    then  called afterwards on the same thread, with `goes_on` as `prepare_all` takes it

    Where numba cannot be used after all (it refuses a version of NumPy, a disk is full) NumPy goes
    on answering; `prepare_all` says why.
    """
    if _state.background is not None or _state.mode is Mode.OFF or not available():
        return
    main = threading.main_thread()

    def prepare() -> None:
        with suppress(ImportError, OSError):
            prepare_all(goes_on=main.is_alive)
            if then is not None:
                then(goes_on=main.is_alive)

    thread = threading.Thread(target=prepare, name="novaql-compile")
    _state.background = thread
    thread.start()


def _after_fork() -> None:
    """A forked process lacks the thread that was compiling, and may never get its locks."""
    if _state.background is not None and not _state.complete:
        _state.mode = Mode.OFF


os.register_at_fork(after_in_child=_after_fork)


@contextmanager
def forced(mode: Mode) -> Iterator[None]:
    """Another mode for a while, for the whole process: for tests and comparisons."""
    before = _state.mode
    _state.mode = mode
    try:
        yield
    finally:
        _state.mode = before


def floats(values: Floats, shape: Sequence[int]) -> Floats:
    """Values as a twin takes them: aligned and C-contiguous, in this shape."""
    flags = values.flags
    if flags.c_contiguous and flags.aligned and values.dtype == np.float64:
        return values.reshape(shape)
    return np.require(values, np.float64, ("C", "A")).reshape(shape)


def ints(values: Ints) -> Ints:
    """Positions or times as a twin takes them."""
    flags = values.flags
    if flags.c_contiguous and flags.aligned and values.dtype == np.int64:
        return values
    return np.require(values, np.int64, ("C", "A"))


def mask(present: Bools | None, steps: int) -> Bools:
    """Presence as the twins of group reductions take it: [S, J], or [1, J] if all rows agree."""
    if present is None:
        return np.ones((1, steps), np.bool_)
    if present.ndim == 1 or (present.ndim == 2 and present.strides[0] == 0):
        present = present.reshape(-1, present.shape[-1])[:1]
    return np.ascontiguousarray(np.broadcast_to(present, (len(present), steps)))
