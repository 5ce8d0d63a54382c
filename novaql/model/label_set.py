"""One label set as a value that can be compared, and can be the key of a dictionary."""

from __future__ import annotations

from collections.abc import Mapping

Labels = tuple[tuple[str, str], ...]
"""Pairs of name and value, by name; without empty values."""


def labels_of(label_set: Mapping[str, str]) -> Labels:
    """The label set in canonical order: by the bytes of the names."""
    return tuple(sorted(label_set.items(), key=lambda pair: pair[0].encode()))
