"""Excerpts of a client's text for messages, which quote at most a few words of it."""

from __future__ import annotations

MOST_CHARACTERS = 300


def excerpt(text: str, most: int = MOST_CHARACTERS) -> str:
    """The text, or its beginning and its end with `…` between them: `most` characters in all."""
    if len(text) <= most:
        return text
    end = most // 4
    return f"{text[: most - end - 1]}…{text[-end:]}"
