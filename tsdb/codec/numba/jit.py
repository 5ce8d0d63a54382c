"""How functions are compiled that become parts of others: see `compiled` for those that do not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba

F = TypeVar("F", bound=Callable[..., Any])


def inner(function: F) -> F:
    """A function that compiled ones call, without the interpreter's lock; 1/0 is no error."""
    jit: Any = numba.njit
    made: F = jit(nogil=True, error_model="numpy")(function)
    return made
