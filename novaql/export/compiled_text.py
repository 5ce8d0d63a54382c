"""`matrix_text`, once it is compiled; where it is not, what calls it writes texts another way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from novaql.compiled_set import CompiledSet, Sources


@dataclass(frozen=True, slots=True)
class Compiled:
    """The functions of `matrix_text`, compiled."""

    kinds_of: Callable[..., Any]
    write_matrix: Callable[..., Any]


def _sources() -> Sources:
    from numba import types  # noqa: PLC0415 - slow to load, and absent without the extra

    from novaql.export import matrix_text  # noqa: PLC0415 - for what is compiled alone

    matrix = types.Array(types.float64, 2, "C", readonly=True)
    mask = types.Array(types.boolean, 2, "C", readonly=True)
    kinds = types.Array(types.int8, 2, "C")
    text = types.Array(types.uint8, 1, "C", readonly=True)
    ends = types.Array(types.int64, 1, "C", readonly=True)
    out = types.Array(types.uint8, 1, "C")
    return {
        "kinds_of": (matrix_text.kinds_of, (matrix, mask, kinds)),
        "write_matrix": (
            matrix_text.write_matrix,
            (matrix, kinds, text, ends, text, ends, text, text, types.boolean, out),
        ),
    }


compiled_text = CompiledSet("novaql-compile-text", _sources, Compiled)
ready = compiled_text.ready
prepare = compiled_text.prepare
