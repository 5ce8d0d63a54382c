"""The compiled functions that read text and remote write, once they are ready."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from novaql.compiled_set import CompiledSet, Sources


@dataclass(frozen=True, slots=True)
class Kernels:
    """The compiled functions of the text table and of both walks."""

    walk: Callable[..., Any]
    label_texts: Callable[..., Any]
    scan_2: Callable[..., Any]
    walk_2: Callable[..., Any]
    enter: Callable[..., Any]
    spread: Callable[..., Any]
    walk_text: Callable[..., Any]


def _sources() -> Sources:
    from novaql.inputs.compiled import text_table_kernels  # noqa: PLC0415 - imports numba
    from novaql.inputs.remote_write import walk_kernels, walk_kernels_2  # noqa: PLC0415 - likewise
    from novaql.inputs.text import walk_kernels as text_walk_kernels  # noqa: PLC0415 - imports numba

    return {
        name: (getattr(module, name), signature)
        for module in (text_table_kernels, walk_kernels, walk_kernels_2, text_walk_kernels)
        for name, signature in module.SIGNATURES.items()
    }


wire_kernels = CompiledSet("novaql-compile-wire", _sources, Kernels)
ready = wire_kernels.ready
prepare = wire_kernels.prepare
prepare_in_background = wire_kernels.prepare_in_background
"""Start to compile on a thread, unless that has been done."""
