"""The registry of the compiled decoder of pages, and constants that its functions share."""

from __future__ import annotations

from novaql.tsdb.runtime.compiled import Registry

MARGIN = 16 + 256 * (14 + 64) // 8
"""Bytes that must follow a column in its array. Decoding a batch of 256 numbers may read as many
beyond the column, without using them: 14 bits of state and 64 of offset each, and two words."""
PLAIN, NANS, OTHER = 0, 1, 2
"""States of a page after `unfold`: written, without NaN; written, with NaN; not decoded, which
leaves it to NumPy and pcodec."""

PAGES = Registry(
    "pages",
    package=__package__,
    modules=(".outline", ".spread", ".unfold", ".holes", ".moves"),
    shared=(
        ".outline", ".spread", ".unfold", ".holes", ".moves", ".pco", ".entropy", ".compiled",
        "..columns",
    ),
    worth=1 << 25,
)  # fmt: skip
"""worth: the number of values that NumPy decodes in about the time that loading takes."""
