"""Standard input as data, readers that leave, and what a terminal shows."""

from __future__ import annotations

import io
import os
import pty
import shlex
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import novaql
from novaql.cli.main import run

Text = pytest.CaptureFixture[str]
METRICS = 'up{job="a"} 1 1700000000000\nup{job="b"} 0 1700000000000\n'
AT = ("--time", "1700000000")


def pipe(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    """Make the content standard input."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


@pytest.mark.parametrize(
    ("args", "answer"),
    [
        (["query", "sum(up)", *AT, "--format", "csv"], "time,value\n2023-11-14T22:13:20Z,1\n"),
        (["sql", "SELECT count(*) AS n FROM up", "--format", "csv"], "n\n2\n"),
        (["labels", "job"], "a\nb\n"),
        (["export", "--format", "text"], f"# TYPE up untyped\n{METRICS}"),
    ],
)
def test_data_from_a_pipe(
    args: list[str], answer: str, monkeypatch: pytest.MonkeyPatch, capfd: Text
) -> None:
    pipe(monkeypatch, METRICS.encode())
    assert run([*args, "--data", "-"]) == 0
    assert capfd.readouterr().out.splitlines() == answer.splitlines()


@pytest.mark.slow
@pytest.mark.parametrize(
    "program",
    [
        "import novaql; print(novaql.sql({0!r}, {1!r}))",
        "from novaql.cli.main import run; run(['sql', {0!r}, '--data', {1!r}])",
    ],
)
def test_duckdb_draws_no_progress_into_the_output(program: str, tmp_path: Path) -> None:
    """It takes a program without a file for a session with a person."""
    (tmp_path / "up.prom").write_text(METRICS)
    statement = "SELECT current_setting('enable_progress_bar') AS drawn FROM up LIMIT 1"
    code = program.format(statement, str(tmp_path / "up.prom"))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "drawn" in done.stdout
    assert "false" in done.stdout


def test_a_pipe_beside_a_file_and_a_table_in_a_pipe(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: Text
) -> None:
    other = tmp_path / "other.prom"
    other.write_text('up{job="c"} 5 1700000000000\n')
    table = io.BytesIO()
    pq.write_table(novaql.query("up * 3", str(other), time=1_700_000_000).arrow(), table)
    pipe(monkeypatch, table.getvalue())
    args = ["query", 'sum({job="c"})', *AT, "--data", "-", "--data", str(other), "--format", "csv"]
    assert run(args) == 0
    assert capfd.readouterr().out.split(",")[-1].strip() == "20"


def test_an_error_names_standard_input(monkeypatch: pytest.MonkeyPatch, capfd: Text) -> None:
    pipe(monkeypatch, b"up{job=\n")
    assert run(["query", "up", "--data", "-"]) == 1
    assert "standard input" in capfd.readouterr().err


@pytest.mark.parametrize(
    "args",
    [["query", "-", "--data", "-"], ["sql", "-", "--data", "-"], ["repl", "-"]],
)
def test_standard_input_is_read_once(
    args: list[str], monkeypatch: pytest.MonkeyPatch, capfd: Text
) -> None:
    pipe(monkeypatch, METRICS.encode())
    assert run(args) == 2
    assert "standard input can be read once" in capfd.readouterr().err


@pytest.mark.slow
def test_a_reader_that_leaves_ends_the_shell() -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "novaql", "repl"]
    queries = "1\n" * 50
    done = subprocess.run(
        command, input=queries, stdout=write, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")


def on_terminal(*args: str, columns: int = 80, **variables: str) -> str:
    """What a command writes to a terminal, stdout and stderr."""
    screen, terminal = pty.openpty()
    environment = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
    environment |= {"COLUMNS": str(columns), **variables}
    with subprocess.Popen(
        [sys.executable, "-m", "novaql", *args], stdout=terminal, stderr=terminal, env=environment
    ) as process:
        os.close(terminal)
        text = b""
        try:
            while part := os.read(screen, 65536):
                text += part
        except OSError:  # the end, on Linux
            pass
        process.wait(60)
    os.close(screen)
    return text.decode().replace("\r\n", "\n")


@pytest.mark.slow
def test_colour_and_none() -> None:
    assert "\x1b[31merror: " in on_terminal("query", "up{")
    assert "\x1b" not in on_terminal("query", "up{", NO_COLOR="1")


@pytest.mark.slow
def test_tables_fit_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "wide.prom"
    labels = ",".join(f'label_{number}="{"v" * 30}%s"' for number in range(6))
    rows = (f"wide{{{labels % ((row,) * 6)}}} {row} 1700000000000\n" for row in range(2))
    path.write_text("".join(rows) + "up 1 1700000000000\n")
    query = on_terminal(
        "query", '{__name__!=""}', *AT, "--data", str(path), columns=70, NO_COLOR="1"
    )
    assert max(map(len, query.splitlines()[2:])) == 70
    assert "\nup  " in query
    assert "\nwide{label_0=" in query
    sql = on_terminal("sql", "FROM samples", "--data", str(path), columns=100, NO_COLOR="1")
    assert 80 < max(map(len, sql.splitlines())) <= 100


@pytest.mark.parametrize(
    ("word", "hint"),
    [("qurey", 'did you mean "query"?'), ("Import", 'did you mean "import"?'), ("zzz", "--help")],
)
def test_a_command_that_is_misspelt(word: str, hint: str, capsys: Text) -> None:
    assert run([word]) == 2
    assert hint in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("2023-11-14 23:13:20", "2023-11-14T23:13:20+01:00"),
        ("2023-11-14T22:13:20Z", "2023-11-14T23:13:20+01:00"),
        ("1700000000.5", "2023-11-14T23:13:20.500+01:00"),
        ("2023-07-01", "2023-07-01T00:00:00+02:00"),
    ],
)
def test_a_time_zone(given: str, shown: str, capfd: Text) -> None:
    assert run(["query", "vector(1)", "--time", given, "--tz", "Europe/Berlin"]) == 0
    assert capfd.readouterr().out.splitlines()[0].endswith(f"at {shown}")


def test_a_time_zone_of_sql(monkeypatch: pytest.MonkeyPatch, capfd: Text) -> None:
    pipe(monkeypatch, METRICS.encode())
    args = ["sql", "SELECT max(time) AS t FROM up", "--data", "-", "--tz", "Asia/Tokyo"]
    assert run([*args, "--end", "2023-11-15 07:13:20", "--format", "csv"]) == 0
    assert capfd.readouterr().out == "t\n2023-11-15 07:13:20+09\n"
    assert run(["query", "1", "--tz", "Mars/Base"]) == 2
    assert "no time zone" in capfd.readouterr().err


@pytest.mark.parametrize("command", ["query 1", "export --format csv"])
def test_standard_output_that_is_closed(command: str) -> None:
    line = f"{shlex.quote(sys.executable)} -m novaql {command} >&-"
    done = subprocess.run(["sh", "-c", line], stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "error: standard output is closed\n")


@pytest.mark.slow
@pytest.mark.parametrize("command", ["query 1", "export --format csv --data up.prom"])
def test_standard_output_on_a_full_disk(command: str, tmp_path: Path) -> None:
    (tmp_path / "up.prom").write_text(METRICS)
    line = f"unset PYTHONUNBUFFERED; {shlex.quote(sys.executable)} -m novaql {command} >/dev/full"
    done = subprocess.run(
        ["sh", "-c", line], stderr=subprocess.PIPE, text=True, check=False, cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (1, "error: No space left on device\n")
