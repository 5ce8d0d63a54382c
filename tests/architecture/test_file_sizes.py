"""One idea a file: Python files stay under 400 lines, unless listed here with a reason."""

from __future__ import annotations

from pathlib import Path

from tests.support.repository.files import ROOT, python_files

LIMIT = 400

LONGER_FOR_A_REASON: dict[str, str] = {}
"""Path → why this one file is longer."""


def lines(path: Path) -> int:
    return len((ROOT / path).read_text(encoding="utf-8").splitlines())


def test_files_are_short() -> None:
    too_long = {
        str(path): count
        for path in python_files()
        if (count := lines(path)) > LIMIT and str(path) not in LONGER_FOR_A_REASON
    }

    assert too_long == {}


def test_exceptions_are_still_needed() -> None:
    assert {path for path in LONGER_FOR_A_REASON if lines(Path(path)) <= LIMIT} == set()


def test_no_name_that_says_nothing() -> None:
    empty_names = {"utils", "helpers", "common", "misc", "manager"}

    assert [
        str(path)
        for path in python_files()
        if empty_names & {part.removesuffix(".py") for part in path.parts}
    ] == []
