"""One idea a file, few parameters a function; what exceeds a limit is listed with a reason."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.repository.files import ROOT, python_files

LIMIT = 400

LONGER_FOR_A_REASON: dict[str, str] = {}
"""Path → why this one file is longer."""


MOST_PARAMETERS = 10

COMPILED = {"kernel", "inner"}
"""Decorators of compiled functions, which take arrays instead of objects."""

MORE_FOR_A_REASON = {
    ("novaql/database.py", "query"): "public, keyword options",
    ("novaql/api.py", "query"): "public, keyword options",
    ("novaql/api.py", "analyze"): "public, keyword options",
    ("novaql/api.py", "why_empty"): "public, keyword options",
    ("novaql/options.py", "query_options"): "public, keyword options",
    ("novaql/cli/query.py", "command"): "click passes each option of the command",
    ("novaql/cli/import_files.py", "command"): "click passes each option of the command",
}
"""Path and function → why this one has more parameters."""


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


def long_signatures(text: str) -> Iterator[str]:
    """Yield functions with too many parameters, compiled ones aside; `self` does not count."""
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        decorators = [d.func if isinstance(d, ast.Call) else d for d in node.decorator_list]
        names = [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
        count = len(names) - (names[:1] in (["self"], ["cls"]))
        if count > MOST_PARAMETERS and not COMPILED & {getattr(d, "id", "") for d in decorators}:
            yield node.name


def test_functions_have_few_parameters() -> None:
    found = {
        (str(path), name)
        for path in python_files()
        if path.parts[0] in ("novaql", "server", "tsdb")
        for name in long_signatures((ROOT / path).read_text("utf-8"))
    }

    assert found == {*MORE_FOR_A_REASON}


@pytest.mark.parametrize(
    ("head", "names"),
    [
        ("def f({})", ["f"]),
        ("def f(*, {})", ["f"]),
        ("def f(a, /, {})", ["f"]),
        ("async def f({})", ["f"]),
        ("@kernel(X)\ndef f({})", []),
        ("@inner\ndef f({})", []),
    ],
)
def test_parameters_are_counted(head: str, names: list[str]) -> None:
    eleven = ", ".join(f"p{number}" for number in range(11))

    assert [*long_signatures(f"{head.format(eleven)}: ...")] == names
    assert [*long_signatures("def f(self, {}): ...".format(eleven.removesuffix(", p10")))] == []


def test_no_name_that_says_nothing() -> None:
    empty_names = {"utils", "helpers", "common", "misc", "manager"}

    assert [
        str(path)
        for path in python_files()
        if empty_names & {part.removesuffix(".py") for part in path.parts}
    ] == []
