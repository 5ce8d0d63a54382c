"""The registry of `matrix_text`, and the sizes of its texts."""

from __future__ import annotations

from novaql.tsdb.runtime.compiled import Registry

SPARE = 16
"""Bytes after a text that are read or changed with it."""

POINT_BYTES = 24 + 25 + 4
"""The most bytes of a point: `[<seconds>,`, the value, its quotes, and `],`."""

SERIES_BYTES = 32
"""The most bytes of a series besides its labels and points: keys, brackets and commas."""

TEXTS = Registry(
    "texts",
    package=__package__,
    modules=(".matrix_text",),
    shared=("novaql.text.shortest", "novaql.text.powers_of_ten"),
    worth=1 << 25,
)
"""worth: values that are written without it in about the time that loading takes."""
