"""Durations as Prometheus's files write them: `5m`, `1h30m`, `0`. No signs, no fractions."""

from __future__ import annotations

import re

from novaql.language.durations import UNITS, format_duration

_WHOLE = re.compile("".join(f"(?:([0-9]+){unit})?" for unit in UNITS))
_MOST_MS = (2**63 - 1) // 1_000_000
_MOST_DIGITS = 19


def file_duration_ms(text: str) -> int:
    """Milliseconds. Raises `ValueError` with a sentence."""
    if text == "0":
        return 0
    if text == "":
        raise ValueError("the duration is empty")
    found = _WHOLE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no duration like 5m or 1h30m")
    if any(number is not None and len(number) > _MOST_DIGITS for number in found.groups()):
        raise ValueError(f"the duration {text!r} is too long")
    total = sum(
        int(number) * size
        for number, size in zip(found.groups(), UNITS.values(), strict=True)
        if number is not None
    )
    if total > _MOST_MS:
        raise ValueError(f"the duration {text!r} is longer than 292 years")
    return total


__all__ = ["file_duration_ms", "format_duration"]
