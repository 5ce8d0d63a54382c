"""`matrix_text`, once it is compiled; where it is not, what calls it writes texts another way."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any


@dataclass(frozen=True, slots=True)
class Compiled:
    """The functions of `matrix_text`, compiled. They run without the interpreter's lock."""

    equal_columns: Callable[..., Any]
    kinds_of: Callable[..., Any]
    write_matrix: Callable[..., Any]


class _State:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.compiled: Compiled | None = None


_state = _State()


def ready() -> Compiled | None:
    """None before `prepare`."""
    return _state.compiled


def prepare(*, goes_on: Callable[[], bool] = lambda: True) -> dict[str, float]:
    """Compile, or load from numba's cache: function → seconds.

    goes_on  asked between functions; when it says no, the rest is left

    Nothing where numba is not installed, where they are ready, or with `NOVAQL_COMPILED=off`.
    """
    took: dict[str, float] = {}
    if os.environ.get("NOVAQL_COMPILED") == "off" or find_spec("numba") is None:
        return took
    with _state.lock:
        if _state.compiled is not None:
            return took
        import numba  # noqa: PLC0415 - slow to load, and absent without the extra
        from numba import types  # noqa: PLC0415 - likewise

        from novaql.export import matrix_text  # noqa: PLC0415 - for what is compiled alone

        matrix = types.Array(types.float64, 2, "C", readonly=True)
        mask = types.Array(types.boolean, 2, "C", readonly=True)
        kinds = types.Array(types.int8, 2, "C")
        text = types.Array(types.uint8, 1, "C", readonly=True)
        ends = types.Array(types.int64, 1, "C", readonly=True)
        out = types.Array(types.uint8, 1, "C")
        flags = types.Array(types.boolean, 1, "C")
        known = types.Array(types.int64, 2, "C", readonly=True)
        noted = types.Array(types.int64, 2, "C")
        number = types.int64
        signatures = {
            "equal_columns": (known, mask, known, mask, number, flags),
            "kinds_of": (matrix, mask, kinds, number, number),
            "write_matrix": (
                *(matrix, kinds, text, ends, text, ends, text, types.boolean),
                *(text, known, number, number, number, out, noted),
            ),
        }
        made: dict[str, Callable[..., Any]] = {}
        for name, signature in signatures.items():
            if not goes_on():
                return took
            began = time.perf_counter()
            function = getattr(matrix_text, name)
            try:
                compiled = numba.njit(nogil=True, cache=True)(function)
            except RuntimeError:  # no folder for a cache can be written
                compiled = numba.njit(nogil=True)(function)
            compiled.compile(signature)
            compiled.disable_compile()
            made[name] = compiled
            took[name] = time.perf_counter() - began
        _state.compiled = Compiled(**made)
    return took
