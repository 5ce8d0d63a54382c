"""Arrays whose references compiled code does not count.

numba counts the references to what an array lies in: up and down again for each slice and for each
array that a function is given, atomically, which takes longer than a dozen sums. Decoding makes
slices all the time; up to a fifth of a cold query was counting. Who uses this keeps the array alive
some other way: as long as a function runs its caller has the arguments.
"""

from __future__ import annotations

from typing import Any

import numba
from numba import types
from numba.extending import intrinsic


@intrinsic
def _intrinsic_uncounted(_context: Any, array: Any) -> Any:
    """The same array, of which numba does not know that it can go. Views of it are likewise."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        made = context.make_array(signature.args[0])(context, builder, arguments[0])
        for owner in ("meminfo", "parent"):
            setattr(made, owner, getattr(made, owner).type(None))
        return made._getvalue()

    return array(array), build


@intrinsic
def _intrinsic_pointer(_context: Any, array: Any, at: Any) -> Any:  # noqa: ARG001 - by numba
    """To an element of an array, and those behind it: a number, for numba."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        made = context.make_array(signature.args[0])(context, builder, arguments[0])
        return builder.gep(made.data, [arguments[1]])

    to: Any = types.CPointer
    return to(array.dtype)(array, types.intp), build


borrowed: Any = _intrinsic_uncounted
pointer: Any = _intrinsic_pointer


@numba.njit(nogil=True)
def alive(_owners: Any) -> None:
    """Called at the end of what uses them borrowed: until then they stay."""
