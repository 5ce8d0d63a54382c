"""The compiled walk, once it is made ready."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from novaql.compiled_set import CompiledSet, Sources


@dataclass(frozen=True, slots=True)
class Kernels:
    """The functions of `wire.kernels` and `wire.text_kernels`, compiled."""

    walk: Callable[..., Any]
    label_texts: Callable[..., Any]
    enter: Callable[..., Any]
    spread: Callable[..., Any]
    walk_text: Callable[..., Any]


def _sources() -> Sources:
    from novaql.inputs.wire import kernels, text_kernels  # noqa: PLC0415 - they import numba

    return {
        name: (getattr(module, name), signature)
        for module in (kernels, text_kernels)
        for name, signature in module.SIGNATURES.items()
    }


wire_kernels = CompiledSet("novaql-compile-wire", _sources, Kernels)
ready = wire_kernels.ready
prepare = wire_kernels.prepare
prepare_in_background = wire_kernels.prepare_in_background
"""Start to compile on a thread, unless that has been done."""
