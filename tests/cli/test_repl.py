"""`novaql repl`: its commands, its prompt, and the program in a real terminal."""

from __future__ import annotations

import io
import os
import pty
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from novaql.cli.main import run
from novaql.cli.repl import session as sessions
from novaql.cli.repl.prompt import QueryCompleter, history, is_open, loop, terminal
from novaql.cli.repl.session import Session
from novaql.errors import QueryCancelled
from novaql.export.chart_braille import can_draw, chart_text
from tests.support.generators.results import matrix

Text = pytest.CaptureFixture[str]
NOON = "2026-03-01T12:00:00Z"


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Two series of `up`, three samples each from noon on, one a minute."""
    rows = matrix(
        [
            ({"__name__": "up", "job": "api", "instance": "a"}, [1, 1, 1]),
            ({"__name__": "up", "job": "api", "instance": "b"}, [0, 1, 0]),
        ]
    )
    path = tmp_path_factory.mktemp("data") / "metrics.parquet"
    pq.write_table(rows.arrow(), path)
    return str(path)


@pytest.fixture(autouse=True)
def _own_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def typed(session: Session, keys: str) -> int:
    """Type keys at the prompt of a session; Ctrl-D ends it."""
    with create_pipe_input() as pipe:
        pipe.send_text(keys + "\x04")
        return loop(session, terminal(session, input=pipe, output=DummyOutput()))


def test_queries_and_commands(metrics: str, capfd: Text) -> None:
    keys = f".time {NOON}\r.mode csv\rsum(up)\r.tables\r.schema up\r.timer on\r1 + 1\r"

    assert typed(Session(metrics), keys) == 0

    out, err = capfd.readouterr()
    assert out.splitlines() == [
        "time,value",
        f"{NOON},1",
        "up",
        "instance  2 values: a, b",
        "job  1 values: api",
        "time,value",
        f"{NOON},2",
    ]
    assert "time: " in err


def test_an_empty_answer_says_where_the_data_is(metrics: str, capfd: Text) -> None:
    assert typed(Session(metrics), "up > 9\r1 + 1\r.time 2026-02-01\rupp\r") == 0

    out = capfd.readouterr().out
    assert out.count("info: time is 2026-03-01T12:02:00Z, that of the last") == 1
    assert "info: there is no metric upp; did you mean up? (1:1)" in out
    assert out.count("info: the data has samples from 2026-03-01T12:00:00Z") == 2


def test_why_a_query_is_empty(metrics: str, capfd: Text) -> None:
    assert typed(Session(metrics), f".time {NOON}\r.why sum(up) > 9\r.why up\r") == 0

    out = capfd.readouterr().out
    assert "1:1: no value satisfies >" in out
    assert out.endswith("the query has a result\n")


def test_an_error_has_its_place_and_the_session_goes_on(metrics: str, capfd: Text) -> None:
    assert typed(Session(metrics), "rat(up[5m])\r.mod csv\r.mode csv\r7\r") == 2

    out, err = capfd.readouterr()
    assert 'unknown function "rat", did you mean "rate"?' in err
    assert "\n  rat(up[5m])\n  ^^^\n" in err
    assert '.mod: is no command, did you mean ".mode"?' in err
    assert out.splitlines()[-1].endswith(",7")


def test_a_query_goes_on_while_brackets_are_open(metrics: str, capfd: Text) -> None:
    keys = f".time {NOON}\r.mode csv\rsum by (job) (\rup\r)\r"

    assert typed(Session(metrics), keys) == 0
    assert capfd.readouterr().out.splitlines()[1] == f"{NOON},1,api"


@pytest.mark.parametrize(
    ("text", "goes_on"),
    [
        ("sum(", True),
        ("up{a='", True),
        ('up{a="}"', True),
        ("sum(up) # (", False),
        ("a `", True),
        ("sum(\n", False),
        (".open (", False),
        ("up)", False),
    ],
)
def test_open_brackets(text: str, goes_on: bool) -> None:
    assert is_open(text) is goes_on


def test_files_ranges_and_other_data(metrics: str, tmp_path: Path, capfd: Text) -> None:
    file = tmp_path / "answers.txt"
    keys = (
        f".open {metrics}\r.range {NOON} 2026-03-01T12:02:00Z 1m\r.mode json\r"
        f".output {file}\rsum(up)\r.output\r.open {tmp_path}/missing\r.explain up\r"
    )

    assert typed(Session(), keys) == 1

    assert file.read_text().startswith('{"resultType":"matrix"')
    out, err = capfd.readouterr()
    assert "Select" in out
    assert "missing" in err


@pytest.mark.parametrize(
    "line",
    [".mode svg", ".timer", ".range now -1h", ".range -1h now 0", ".time x", ".schema no", ".open"],
)
def test_wrong_commands(metrics: str, line: str, capfd: Text) -> None:
    assert typed(Session(metrics), f"{line}\r") == 1
    assert f"error: {line.split()[0]}" in capfd.readouterr().err


def test_completion(metrics: str) -> None:
    completer = QueryCompleter(Session(metrics))

    def offered(text: str) -> list[str]:
        found = completer.get_completions(Document(text), CompleteEvent())
        return [text[: len(text) + one.start_position] + one.text for one in found]

    assert offered(".ta") == [".tables"]
    assert offered("sum by (job) (u")[0] == "sum by (job) (up"
    page = Path(metrics).parent / "page.prom"
    page.touch()
    assert offered(f".open {page.parent}/pag") == [f".open {page}"]
    assert offered('up{instance="')[:2] == ['up{instance="a', 'up{instance="b']


def test_history_is_of_this_user_alone(metrics: str, tmp_path: Path) -> None:
    typed(Session(metrics), "1 + 2\r")

    file = tmp_path / "state" / "novaql" / "history"
    assert "1 + 2" in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    assert [*history().load_history_strings()] == ["1 + 2"]


def test_control_c_cancels_a_query(monkeypatch: pytest.MonkeyPatch, capfd: Text) -> None:
    def slow(text: str, *_: Any, cancellation: Any) -> Any:
        threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        until = time.monotonic() + 30
        while not cancellation.cancelled and time.monotonic() < until:
            time.sleep(0.01)
        raise QueryCancelled(f"{text} was cancelled")

    monkeypatch.setattr(sessions, "answer", slow)

    assert not Session().attempt(lambda: Session().answer("1"))
    assert "interrupted" in capfd.readouterr().err


def test_lines_from_a_pipe(metrics: str, monkeypatch: pytest.MonkeyPatch, capfd: Text) -> None:
    text = f".time {NOON}\n.mode csv\nsum(\nup\n)\n.quit\nup\n"
    monkeypatch.setattr("sys.stdin", io.StringIO(text))

    assert run(["repl", metrics]) == 0
    assert capfd.readouterr().out.splitlines() == ["time,value", f"{NOON},1"]


def test_data_that_does_not_exist_is_an_error_before_the_first_query(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Text
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert run(["repl", str(tmp_path / "nosuch")]) == 1
    assert "there is no such file or folder" in capfd.readouterr().err


@pytest.mark.parametrize("option", [[], ["--data"]], ids=["argument", "option"])
def test_data_by_argument_or_option_and_a_time_zone(
    metrics: str, option: list[str], monkeypatch: pytest.MonkeyPatch, capfd: Text
) -> None:
    at = "2026-03-01T13:01"
    lines = ("up{instance='a'}", f".time {at}", "up{instance='b'}", f".range {at}", "up")
    monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
    assert run(["repl", *option, metrics, "--tz", "Europe/Berlin"]) == 0
    out = capfd.readouterr().out
    assert "at 2026-03-01T13:02:00+01:00\n" in out
    assert "info: time is 2026-03-01T13:02:00+01:00, that of the last" in out
    assert "at 2026-03-01T13:01:00+01:00\n" in out
    assert "2026-03-01T13:01:00+01:00 to 2026-03-01T13:02:00+01:00 every 500ms" in out


def test_a_chart() -> None:
    result = matrix([({"__name__": "up", "job": "a"}, [0, 1, 2, 3]), ({"job": "b"}, [3, 2, 1, 0])])

    lines = chart_text(result, width=60, height=5).splitlines()

    assert can_draw(result)
    assert [line.partition(" │")[0] for line in lines[1:6]] == ["  3", "   ", "1.5", "   ", "  0"]
    assert lines[1].rstrip()[-1] != "│"
    assert all(len(line) <= 60 for line in lines[1:8])
    assert not can_draw(matrix([({}, [float("nan"), float("nan")])]))


def test_a_chart_has_no_line_over_a_gap() -> None:
    result = matrix([({}, [1.0, 1.0, float("nan"), float("nan"), 1.0, 1.0])])

    line = chart_text(result, width=40, height=1).splitlines()[1].partition("│")[2]
    assert "⠀" in line.strip("⠀")


@pytest.fixture
def shell(metrics: str) -> Iterator[int]:
    """The program in a terminal of its own; gives the terminal's other end."""
    pid, end = pty.fork()
    if pid == 0:  # pragma: no cover
        environment = {**os.environ, "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"}
        os.execve(sys.executable, [sys.executable, "-m", "novaql", "repl", metrics], environment)
    yield end
    os.close(end)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


@pytest.mark.slow
def test_in_a_terminal(shell: int) -> None:
    def until(words: bytes) -> None:
        seen, end = b"", time.monotonic() + 120
        while words not in seen and time.monotonic() < end:
            if select.select([shell], [], [], 1)[0]:
                seen += os.read(shell, 65536)
        assert words in seen, seen

    until(b"novaql>")
    os.write(shell, f".time {NOON}\r.mode json\r".encode())
    os.write(shell, b"sum(up)\r")
    until(b'"1"]')
    os.write(shell, b"up +\r")
    until(b"an expression is missing")
    os.write(shell, b".quit\r")
    assert select.select([shell], [], [], 60)[0]
    with pytest.raises(OSError, match="Input/output"):  # the program has ended
        _read_all(shell)


def _read_all(end: int) -> None:
    while True:
        os.read(end, 65536)
