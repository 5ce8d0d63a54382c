"""The errors of a test script.

NotationProblem   text that the notation does not allow (novaql/model/problems.py)
LineProblem       the same, with its line in a block
ScriptError       the same, with file and line: the one that callers see
"""

from __future__ import annotations

from novaql.model.problems import NotationProblem


class LineProblem(NotationProblem):
    """The text of one line is invalid. `line` counts from 1."""

    def __init__(self, line: int, message: str) -> None:
        self.line = line
        super().__init__(message)


class ScriptError(Exception):
    """The script itself is invalid, as opposed to a failed eval. Has the file and the line (from
    1)."""

    def __init__(self, file: str, line: int, message: str) -> None:
        self.file = file
        self.line = line
        self.message = message
        super().__init__(f"{file}:{line}: {message}")
