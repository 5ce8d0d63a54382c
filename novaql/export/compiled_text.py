"""The registry of `matrix_text`, and what it shares with its caller."""

from __future__ import annotations

from novaql.tsdb.runtime.compiled import Registry

ODD = -1
"""The kind of a value whose text the caller passes; other kinds are numbers of decimals."""

ABSENT = -2
"""The kind of a cell without a value."""

TEXTS = Registry(
    "texts",
    package=__package__,
    modules=(".matrix_text",),
    shared=(".compiled_text",),
    worth=1 << 25,
)
"""worth: values that are written without it in about the time that loading takes."""
