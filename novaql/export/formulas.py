"""Cells of CSV that a spreadsheet would evaluate."""

from __future__ import annotations

_BEGINNINGS = ("=", "+", "-", "@", "\t", "\r", "\n")


def without_formula(text: str) -> str:
    """The text, behind an apostrophe if a spreadsheet would take it for a formula."""
    return "'" + text if text.startswith(_BEGINNINGS) else text
