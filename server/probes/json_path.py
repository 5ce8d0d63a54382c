"""Paths into a JSON document: `$.items[0]["a name"]`."""

from __future__ import annotations

import re
from typing import Any

Step = str | int
_STEP = re.compile(r"""\.([^.\[\]"'\s]+)|\[(\d{1,9})\]|\["([^"\\]*)"\]|\['([^'\\]*)'\]""")
MISSING = object()
"""The value at a path that a document does not have."""


class InvalidPath(ValueError):
    """The text is not a path."""


def parse(path: str) -> list[Step]:
    """Return the steps of a path. Raises `InvalidPath`."""
    if not path.startswith("$"):
        raise InvalidPath("a path begins with $")
    steps: list[Step] = []
    at = 1
    while at < len(path):
        found = _STEP.match(path, at)
        if found is None:
            raise InvalidPath(f'a path has steps like .name, [0] or ["name"]; not {path[at:]!r}')
        name, number, double, single = found.groups()
        steps.append(int(number) if number is not None else name or double or single or "")
        at = found.end()
    return steps


def value_at(document: Any, steps: list[Step]) -> Any:
    """Return the value at a path, or `MISSING`."""
    for step in steps:
        inside = isinstance(document, dict) and step in document
        if isinstance(document, list) and isinstance(step, int):
            inside = step < len(document)
        if not inside:
            return MISSING
        document = document[step]
    return document
