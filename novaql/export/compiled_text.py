"""The registry of `matrix_text`, and what it shares with its caller."""

from __future__ import annotations

from novaql.tsdb.runtime.compiled import Registry

DECIMAL = -1
"""The kind of a value that orjson writes as Prometheus does, in [1e-5, 1e15)."""

OTHER = -2
"""The kind of a value with a text of its own: NaN, ±Inf, -0, the very large and the very small."""

ABSENT = -3
"""The kind of a cell without a value. Kinds from 0 are numbers of decimals."""

TEXTS = Registry(
    "texts",
    package=__package__,
    modules=(".matrix_text",),
    shared=(".compiled_text",),
    worth=1 << 25,
)
"""worth: values that are written without it in about the time that loading takes."""
