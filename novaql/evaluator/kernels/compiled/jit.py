"""How a kernel is compiled, and the list of all that are.

A kernel is declared with the one signature it is called with, and compiled, or loaded from
numba's cache, by `prepare`: never by a call. numba keeps its cache beside the code where it may
write there, else in the user's cache folder. It notices a change of the file a kernel stands in
but not of other files, so a kernel calls only functions of its own file and of `SHARED`, whose
sources are part of the names that kernels have in the cache.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from inspect import getfile
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba import types

import novaql.evaluator.kernels.compiled.exact_rows
import novaql.tsdb.runtime.numba_refs
from novaql.tsdb.runtime.compile_cache import jit

F = TypeVar("F", bound=Callable[..., Any])

# Inputs are declared read-only, which admits both kinds of arrays.
MATRIX = types.Array(types.float64, 2, "C", readonly=True)
VECTOR = types.Array(types.float64, 1, "C", readonly=True)
INTS = types.Array(types.int64, 1, "C", readonly=True)
INT_MATRIX = types.Array(types.int64, 2, "C", readonly=True)
MASK = types.Array(types.boolean, 2, "C", readonly=True)
OUT_MATRIX = types.Array(types.float64, 2, "C")
OUT_INTS = types.Array(types.int64, 2, "C")
OUT_COUNTS = types.Array(types.int64, 1, "C")
BOUNDS = types.Array(types.int32, 1, "C", readonly=True)
FLAGS = types.Array(types.boolean, 1, "C", readonly=True)
OUT_VECTOR = types.Array(types.float64, 1, "C")
OUT_BYTES = types.Array(types.int8, 1, "C")
OUT_MASK = types.Array(types.boolean, 1, "C")
OUT_FLAGS = types.Array(types.boolean, 2, "C")
INT, FLOAT, FLAG = types.int64, types.float64, types.boolean

SHARED = (novaql.tsdb.runtime.numba_refs, novaql.evaluator.kernels.compiled.exact_rows)
"""Modules with functions that become part of kernels."""

VERSION = blake2b(
    b"".join(Path(getfile(module)).read_bytes() for module in SHARED), digest_size=6
).hexdigest()
"""Of their sources."""

KERNELS: dict[str, tuple[Any, tuple[Any, ...]]] = {}
"""Name → (dispatcher, argument types)."""


def kernel(*signature: Any, reorder: bool = False) -> Callable[[F], F]:
    """Declare a kernel. It runs without the interpreter's lock; 1/0 is infinite, not an error.

    reorder  sums may be added up in any order, so that they are computed side by side
    """

    def declare(function: F) -> F:
        options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
        if reorder:
            options["fastmath"] = {"reassoc"}
        function.__qualname__ = f"{function.__name__}-{VERSION}"  # as its file in the cache is
        compiled: Any = jit(function, **options)
        KERNELS[function.__name__] = compiled, signature
        declared: F = compiled
        return declared

    return declare


def inner(function: F) -> F:
    """A function that kernels of the same file call; it becomes part of them."""
    compiled: Any = numba.njit(nogil=True, error_model="numpy")(function)
    made: F = compiled
    return made


def prepare(name: str) -> Callable[..., Any]:
    """Compile a kernel or load it from the cache; from then on it takes its one signature only."""
    compiled, signature = KERNELS[name]
    if not compiled.signatures:
        compiled.compile(signature)
        compiled.disable_compile()
    ready: Callable[..., Any] = compiled
    return ready
