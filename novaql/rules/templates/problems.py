"""Errors in templates."""

from __future__ import annotations

from collections.abc import Iterable

MOST_CHARACTERS = 1_000_000
"""Longest result of a template, or of a function in it."""


LONGEST_QUOTE = 200
"""Characters of a value in a message."""


def cut(text: str, most: int = LONGEST_QUOTE) -> str:
    """A text as messages show it."""
    return text if len(text) <= most else text[:most] + "…"


class TemplateProblem(ValueError):
    """The template does not parse. `position` is that of the invalid character, from 0."""

    def __init__(self, position: int, reason: str) -> None:
        self.position = position
        self.reason = reason
        super().__init__(reason)


class TemplateFailure(Exception):
    """The template parses, but cannot be evaluated with these values."""


def joined(separator: str, pieces: Iterable[str], what: str = "text") -> str:
    """One text joined from pieces. Raises `TemplateFailure` before the join if it is too long.

    what  the name of the text in the message
    """
    found: list[str] = []
    size = 0
    for piece in pieces:
        size += len(piece) + len(separator)
        if size > MOST_CHARACTERS + len(separator):
            raise TemplateFailure(f"a {what} of more than {MOST_CHARACTERS} characters")
        found.append(piece)
    return separator.join(found)
