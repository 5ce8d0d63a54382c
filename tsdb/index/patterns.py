"""Analyses a regex without running it: the texts that it lists.

It is conservative: there is no answer for a pattern that is not plainly of this form.
"""

from __future__ import annotations

from functools import lru_cache

_META = set("\\.+*?()[]{}^$|")


_SHORT = 4096
"""Characters of a short pattern. The texts of a long one may take twenty times its memory."""


def listed_texts(pattern: str) -> tuple[str, ...] | None:
    """Return the texts of a pattern that is a plain list of them, such as `a|b|c` or `(a|b)`."""
    return _of_short(pattern) if len(pattern) <= _SHORT else _of_long(pattern)


def _listed(pattern: str) -> tuple[str, ...] | None:
    inner = pattern
    if inner.startswith("(?:") and inner.endswith(")"):
        inner = inner[3:-1]
    elif inner.startswith("(") and inner.endswith(")"):
        inner = inner[1:-1]
    texts: list[str] = []
    text = ""
    at = 0
    while at < len(inner):
        char = inner[at]
        if char == "|":
            texts.append(text)
            text = ""
        elif char == "\\" and at + 1 < len(inner) and inner[at + 1] in _META:
            at += 1
            text += inner[at]
        elif char in _META:
            return None
        else:
            text += char
        at += 1
    return (*texts, text)


_of_short = lru_cache(maxsize=256)(_listed)
_of_long = lru_cache(maxsize=8)(_listed)
