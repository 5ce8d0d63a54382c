"""The magics in a real shell of IPython."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from novaql import ArgumentError, QueryError, Result
from tests.support.generators.results import matrix

NOON = "2026-03-01T12:00:00Z"


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> InteractiveShell:
    """A shell with the magics, and the variable `rows`: `up` of two instances."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    made = InteractiveShell(config=Config(HistoryManager={"enabled": False}))
    up = [({"__name__": "up", "instance": name}, [1, 2, 3]) for name in "ab"]
    made.user_ns["rows"] = matrix(up).arrow()
    made.run_cell("%load_ext novaql").raise_error()
    return made


def answer(shell: InteractiveShell, cell: str) -> Any:
    ran = shell.run_cell(cell)
    ran.raise_error()
    return ran.result


def test_a_line(shell: InteractiveShell) -> None:
    found = answer(shell, f"%novaql --data rows --time {NOON} sum(up)")

    assert isinstance(found, Result)
    assert found.values.tolist() == [[2.0]]
    assert "2" in found._repr_html_()


def test_a_cell_with_a_range(shell: InteractiveShell) -> None:
    options = f"--data rows --start {NOON} --end 2026-03-01T12:02:00Z --step 1m"
    found = answer(shell, f"%%novaql {options}\nsum by (instance) (\n  up\n)")

    assert found.values.tolist() == [[1, 2, 3], [1, 2, 3]]


def test_times_before_now(shell: InteractiveShell) -> None:
    found = answer(shell, "%novaql --data rows --start -2h --end=-1h --step 1h 1 + 1")

    assert found.values.tolist() == [[2, 2]]


def test_data_for_later_and_a_variable(shell: InteractiveShell) -> None:
    assert answer(shell, "%novaql --data rows") is None
    assert answer(shell, f"%novaql --var=found --time '{NOON}' up{{instance=\"a\"}} - 1") is None

    assert shell.user_ns["found"].values.tolist() == [[0.0]]


def test_a_variable_in_python(shell: InteractiveShell) -> None:
    answer(shell, f"found = %novaql --data rows --time {NOON} max(up) + 1")

    assert shell.user_ns["found"].values.tolist() == [[2.0]]


def test_a_mistake_shows_its_place(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = shell.run_cell("%novaql --data rows rat(up[5m])")

    assert isinstance(ran.error_in_exec, QueryError)
    shown = capsys.readouterr().out
    assert "rat(up[5m])\n^^^" in shown
    assert "Traceback" not in shown


@pytest.mark.parametrize(
    "cell", ["novaql.query('rat(up)', rows)", "list(map(novaql.parse, ['rat(up)']))"]
)
def test_a_traceback_has_lines_of_the_notebook_alone(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str], cell: str
) -> None:
    cell = f"import novaql\ndef ask():\n    {cell}\nask()"
    ran = shell.run_cell(cell)

    assert isinstance(ran.error_in_exec, QueryError)
    shown = capsys.readouterr().out
    assert "in ask\n" in shown
    assert "rat(up)\n^^^" in shown
    assert ".py" not in shown
    assert shown.count("File ") == 2


@pytest.mark.parametrize("line", ["%novaql --nothing 1 up", "%novaql --time"])
def test_wrong_options(shell: InteractiveShell, line: str) -> None:
    assert "%novaql" in str(shell.run_cell(line).error_in_exec)


@pytest.mark.parametrize("option", ["--help", "--dat=x"])
def test_an_unknown_option_lists_the_options(shell: InteractiveShell, option: str) -> None:
    known = "--data, --var, --time, --start, --end, --step, --lookback"
    with pytest.raises(ArgumentError, match=f"{option}; the options are {known}"):
        answer(shell, f"%novaql {option}")


def test_a_query_is_read_as_written(shell: InteractiveShell) -> None:
    shell.user_ns["a"] = "b"  # IPython inserts variables into the lines of other magics
    text = 'label_replace(up, "host", "$1 $a", "instance", "(?P<a>a)")'
    found = answer(shell, f"%novaql --data rows --time {NOON} {text}")

    assert found.series.labels(0) == {"__name__": "up", "host": "a a", "instance": "a"}
