"""Registries of compiled functions: how they are declared, and when they are compiled and used.

A module declares its functions with `@kernel(signature)`. A `Registry` compiles those of its
modules with numba, or loads them from numba's cache, in one of three ways:

- `prepare`, which `novaql warmup` calls;
- `prepare_in_background`, on one thread for all registries, which a server calls when it starts;
- `ready(work)`, in the background, when the process has done as much work as loading is worth.

Before that, and without numba, callers use NumPy or Python, so a short program never imports numba.
`NOVAQL_COMPILED=off` disables compiled functions; `on` compiles a registry at its first use.
"""

from __future__ import annotations

import os
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import Enum
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from novaql.lazy_exports import lazy_module
from novaql.tsdb.runtime.forks import after_fork

if TYPE_CHECKING:
    import hashlib

    from novaql.tsdb.runtime import compile_cache, compile_child
else:  # a program that compiles nothing needs none of them; they load logging and OpenSSL
    hashlib = lazy_module("hashlib")
    compile_cache = lazy_module("novaql.tsdb.runtime.compile_cache")
    compile_child = lazy_module("novaql.tsdb.runtime.compile_child")

F = TypeVar("F", bound=Callable[..., Any])

INTRINSICS = "novaql.tsdb.runtime.numba_intrinsics"
_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}
"""Compiled functions run without the interpreter's lock; 1/0 is infinite, not an error. They are
not called from C."""


class Mode(Enum):
    """off: never compiled; auto: compiled after enough work; on: compiled at the first use."""

    OFF = "off"
    AUTO = "auto"
    ON = "on"


@cache
def available() -> bool:
    """Whether numba is installed. Does not import it."""
    return find_spec("numba") is not None


class _Kernel(NamedTuple):
    function: Callable[..., Any]
    signature: tuple[Any, ...]
    options: dict[str, Any]


_declared: defaultdict[str, list[_Kernel]] = defaultdict(list)
"""Module → its kernels."""


def kernel(*signature: Any, reorder: bool = False) -> Callable[[F], F]:
    """Declare a function for a registry to compile, with the one signature it is called with.

    reorder  sums may be computed in any order, so that the processor computes several at a time

    The function itself remains a Python function.
    """
    options = _OPTIONS | {"fastmath": {"reassoc"}} if reorder else _OPTIONS

    def declare(function: F) -> F:
        _declared[function.__module__].append(_Kernel(function, signature, options))
        return function

    return declare


def inner(function: F, *, copied: bool = False) -> F:
    """A function that only compiled functions call. The compiler decides whether to inline it."""
    import numba  # noqa: PLC0415 - slow to load, and absent without the extra

    njit: Any = numba.njit  # the stubs lack these options
    made: F = njit(no_cpython_wrapper=True, forceinline=copied, **_OPTIONS)(function)
    return made


def inlined(function: F) -> F:
    """As `inner`, and inlined into each caller: for a function that runs for every byte or value.
    It takes longer to compile."""
    return inner(function, copied=True)


class Functions(SimpleNamespace):
    """The compiled functions of a registry, by name."""

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Callable[..., Any]: ...


class Registry:
    """The kernels of some modules, which are compiled together.

    name     of what they work on; names in the results of `prepare` begin with it
    package  that the names of modules are relative to
    modules  with functions to compile
    shared   modules with functions and constants that become part of those
    worth    work without compiled functions that takes about as long as loading them

    numba's cache notices a change of the file that has a function, but not of other files. So names
    in the cache contain a digest of the shared modules.

    `call` has the functions after `ready` has returned them: `registry.call.decode(...)`.
    """

    def __init__(
        self,
        name: str,
        *,
        package: str,
        modules: Sequence[str],
        shared: Sequence[str] = (),
        worth: int,
    ) -> None:
        self.name, self.package, self.modules, self.shared = name, package, modules, shared
        self.worth = worth
        text = os.environ.get("NOVAQL_COMPILED")
        self.mode = Mode(text) if text in ("off", "on") else Mode.AUTO
        self.call = Functions()
        self._complete = False
        self._work = 0
        self._requested = False
        _compiler.registries.append(self)

    def ready(self, work: int = 0) -> Functions | None:
        """The functions, or None if the caller is to use NumPy.

        work  values, samples or bytes that the caller will process, in the unit of `worth`
        """
        if self.mode is Mode.OFF:
            return None
        if not self._complete:
            if self.mode is Mode.ON:
                self.prepare()
            else:
                self._work += work
                if self._work >= self.worth:
                    self.prepare_in_background()
        return self.call if self._complete else None

    def prepare(self, *, goes_on: Callable[[], bool] = lambda: True) -> dict[str, float]:
        """Compile every function, or load it from the cache. Returns function → seconds.

        goes_on  called before each function; if it returns False, nothing more is compiled

        Does nothing without numba, with `NOVAQL_COMPILED=off`, and if the functions are ready.
        Raises `ImportError` if numba cannot be imported and `OSError` if its cache cannot be used.
        """
        took: dict[str, float] = {}
        if self.mode is Mode.OFF or not available():
            return took
        with _compiler.lock:
            if self._complete:
                return took
            compiled: dict[str, Any] = {}
            modules = [import_module(name, self.package).__name__ for name in self.modules]
            version = self.version()
            for declared in (one for module in modules for one in _declared[module]):
                if not goes_on():
                    return took
                began = time.perf_counter()
                name = declared.function.__name__
                compiled[name] = _compile(declared, version)
                took[f"{self.name}.{name}"] = time.perf_counter() - began
            self.call.__dict__.update(compiled)
            self._complete = True
        return took

    def misses(self) -> bool:
        """Whether a function would be compiled although numba could store it in its cache."""
        if self._complete or self.mode is Mode.OFF or not available():
            return False
        with _compiler.lock:
            modules = [import_module(name, self.package).__name__ for name in self.modules]
            version = self.version()
            declared = (one for module in modules for one in _declared[module])
            return any(
                compile_cache.is_missing(_dispatcher(one, version), one.signature)
                for one in declared
            )

    def prepare_in_background(self, *, child: Sequence[str] = ()) -> None:
        """`prepare` on a thread, once in a process. Callers use NumPy until it has finished.

        child  a command that fills numba's cache, run if the cache lacks a function; this process
               then loads it. The compiler holds hundreds of megabytes until its process ends

        If numba cannot be used (it refuses the version of NumPy, a disk is full), callers use NumPy
        as before; `prepare` raises the reason. A program that ends waits for one function at most.
        """
        if self._requested or self._complete or self.mode is Mode.OFF or not available():
            return
        self._requested = True
        _compiler.add(self, child)

    def version(self) -> str:
        """A digest of the shared modules and of the options."""
        digest = hashlib.blake2b(repr(sorted(_OPTIONS.items())).encode(), digest_size=6)
        for name in (*self.shared, INTRINSICS):
            file = import_module(name, self.package).__file__
            assert file is not None
            digest.update(Path(file).read_bytes())
        return digest.hexdigest()

    @contextmanager
    def forced(self, mode: Mode) -> Iterator[None]:
        """Use another mode for a time, in the whole process: for tests and comparisons."""
        before = self.mode
        self.mode = mode
        try:
            yield
        finally:
            self.mode = before

    def after_fork(self, *, compiling: bool) -> None:
        """compiling: another thread was compiling, so the locks of numba remain locked."""
        self._requested = False
        if compiling and not self._complete:
            self.mode = Mode.OFF


def _dispatcher(declared: _Kernel, version: str) -> Any:
    function: Any = declared.function
    function.__qualname__ = f"{function.__name__}-{version}"  # part of the file's name in the cache
    return compile_cache.jit(function, declared.signature, **declared.options)


def _compile(declared: _Kernel, version: str) -> Callable[..., Any]:
    compiled = _dispatcher(declared, version)
    compiled.compile(declared.signature)
    compiled.disable_compile()
    compile_cache.release_intermediate_code(compiled)  # no other function calls a kernel
    made: Callable[..., Any] = compiled
    return made


class _Compiler:
    """Compiles one registry at a time; the thread for those that are prepared in the background.

    lock  held while a registry is compiled; numba itself compiles one function at a time
    """

    def __init__(self) -> None:
        self.registries: list[Registry] = []
        self.reset()

    def reset(self) -> None:
        self.lock = threading.Lock()
        self._queue: deque[tuple[Registry, Sequence[str]]] = deque()
        self._queue_lock = threading.Lock()
        self.thread: threading.Thread | None = None

    def add(self, registry: Registry, child: Sequence[str]) -> None:
        with self._queue_lock:
            self._queue.append((registry, child))
            if self.thread is None:
                self.thread = threading.Thread(target=self._run, name="novaql-compile")
                self.thread.start()

    def _run(self) -> None:
        main = threading.main_thread()
        while True:
            with self._queue_lock:
                if not self._queue:
                    self.thread = None
                    return
                registry, child = self._queue.popleft()
            with suppress(ImportError, OSError):  # see `prepare_in_background`
                if child and registry.misses():
                    compile_child.run_child(child, goes_on=main.is_alive)
                registry.prepare(goes_on=main.is_alive)


_compiler = _Compiler()


def wait_for_background() -> None:
    """Return when no registry is being prepared in the background: for tests."""
    thread = _compiler.thread
    if thread is not None:
        thread.join()


def _after_fork() -> None:
    """The child has no other thread. If one was compiling, it holds locks of numba and of imports
    that are never released, so the child compiles nothing."""
    compiling = _compiler.lock.locked()
    _compiler.reset()
    for registry in _compiler.registries:
        registry.after_fork(compiling=compiling)


after_fork(_after_fork)
