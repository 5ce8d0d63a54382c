"""Problems in files of rules, tests or configuration, with their places."""

from __future__ import annotations

from collections.abc import Sequence

from novaql.errors import InputError
from novaql.fast_dataclass import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Line and column in a file, both from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem; `message` is one sentence without the place."""

    file: str
    place: Place
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.place.line}:{self.place.column}: {self.message}"


class FileProblems(InputError):
    """A file is invalid: all problems that were found, in order of place."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.place))
        super().__init__("\n".join(map(str, self.problems)))
