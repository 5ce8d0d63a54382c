"""Durations of test scripts: `1m30s`, `100ms`, `0`."""

from __future__ import annotations

import re

from novaql.language.durations import UNITS
from novaql.model.problems import NotationProblem

_WHOLE = re.compile("".join(f"(?:[0-9]+{unit})?" for unit in UNITS))
_PART = re.compile(r"([0-9]+)([a-z]+)")


def duration_ms(text: str) -> int:
    """Milliseconds; units from the longest to the shortest, each at most once.

    Raises `NotationProblem`.
    """
    if text == "0":
        return 0
    if not text or not _WHOLE.fullmatch(text):
        raise NotationProblem(f"{text!r} is no duration like 1m30s")
    return sum(int(number) * UNITS[unit] for number, unit in _PART.findall(text))


def signed_duration_ms(text: str) -> int:
    """`duration_ms` with an optional sign in front. Raises `NotationProblem`."""
    size = duration_ms(text.removeprefix("-").removeprefix("+"))
    return -size if text.startswith("-") else size
