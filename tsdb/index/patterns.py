"""Analyses a regex without running it: the texts that it lists, or their common prefix.

Both analyses are conservative: they give no answer for a pattern that is not plainly of their form.
"""

from __future__ import annotations

_META = set("\\.+*?()[]{}^$|")
_QUANTIFIERS = set("*?{+")


def listed_texts(pattern: str) -> tuple[str, ...] | None:
    """Return the texts of a pattern that is a plain list of them, such as `a|b|c` or `(a|b)`."""
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


def literal_prefix(pattern: str) -> str:
    """Return a text with which every match begins; "" if none is evident."""
    if "|" in pattern and ("[" in pattern or _has_outer_choice(pattern)):
        return ""
    prefix: list[str] = []
    at = 1 if pattern.startswith("^") else 0
    while at < len(pattern):
        char = pattern[at]
        if char == "\\":
            if at + 1 >= len(pattern) or pattern[at + 1] not in _META:
                break
            at += 1
            char = pattern[at]
        elif char in _META:
            if char in _QUANTIFIERS and char != "+" and prefix:
                prefix.pop()  # a quantifier may make the last character optional
            break
        prefix.append(char)
        at += 1
    return "".join(prefix)


def _has_outer_choice(pattern: str) -> bool:
    depth = 0
    escaped = False
    for char in pattern:
        if escaped:
            escaped = False
        elif char == "\\":
            escaped = True
        elif char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
        elif char == "|" and depth == 0:
            return True
    return False
