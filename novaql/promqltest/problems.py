"""What can be wrong with a test script.

NotationProblem   a piece of text is not what the format allows
LineProblem       the same, in a known line of a block
ScriptError       the same, with file and line; this is what callers see
"""

from __future__ import annotations


class NotationProblem(ValueError):
    """The text is not what the notation allows; the message says why."""


class LineProblem(NotationProblem):
    """The text of one line is at fault. `line` counts from 1."""

    def __init__(self, line: int, message: str) -> None:
        self.line = line
        super().__init__(message)


class ScriptError(Exception):
    """The script itself is wrong, not what it tests. Carries file and line (from 1)."""

    def __init__(self, file: str, line: int, message: str) -> None:
        self.file = file
        self.line = line
        self.message = message
        super().__init__(f"{file}:{line}: {message}")
