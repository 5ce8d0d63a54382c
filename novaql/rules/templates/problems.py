"""What can be wrong with a template."""

from __future__ import annotations

MOST_CHARACTERS = 1_000_000
"""Longest text that a template, or a function in it, gives."""


class TemplateProblem(ValueError):
    """It does not parse. `position` is the character at fault, from 0."""

    def __init__(self, position: int, reason: str) -> None:
        self.position = position
        self.reason = reason
        super().__init__(reason)


class TemplateFailure(Exception):
    """It parses, and cannot be carried out with these values."""
