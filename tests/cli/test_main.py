"""The frame around the subcommands: exit codes, errors on stderr, no traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import click
import pytest

from novaql.cli.main import COMMANDS, Entry, run
from novaql.errors import EvaluationError, InputError, NovaqlError, SyntaxProblem
from novaql.span import Span
from novaql.tsdb.errors import StoreNotFound


def fails_with(monkeypatch: pytest.MonkeyPatch, problem: BaseException) -> None:
    """Make `novaql fake` raise."""

    @click.command("fake")
    def command() -> None:
        raise problem

    module = ModuleType("fake_command")
    module.command = command  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "fake_command", module)
    monkeypatch.setitem(COMMANDS, "fake", Entry("fake_command", "Fails."))


def test_a_query_error_shows_the_place(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    problem = SyntaxProblem("unclosed brace", "sum(\nup{", Span(7, 8), suggestion="add '}'")
    fails_with(monkeypatch, problem)

    assert run(["fake"]) == 1

    out, err = capsys.readouterr()
    assert out == ""
    assert err == "error: 2:3: unclosed brace, add '}'\n  up{\n    ^\n"


def test_data_without_its_option_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["query", "up", "x.parquet"], ["fmt", "--nothing"], ["version", "x"]):
        assert run(words) == 2

    assert capsys.readouterr().err.count("info: data is given by an option: --data") == 1


@pytest.mark.parametrize("words", [["metrics", "shop"], ["labels"], ["query", "up"]])
def test_no_data_names_the_option(
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NOVAQL_DATA", raising=False)
    assert run(words) == 1
    assert "--data" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (EvaluationError("bad \x1b[31mlabel"), "error: bad \\x1b[31mlabel\n"),
        (InputError("bad\n  \tup{\x1b[31m\n  \t^"), "error: bad\n   up{\\x1b[31m\n   ^\n"),
        (NovaqlError(), "error: NovaqlError\n"),
        (FileNotFoundError(2, "No such file", "x.csv"), "error: x.csv: No such file\n"),
        (OSError("odd"), "error: odd\n"),
        (StoreNotFound("here"), "error: there is no store at here\n"),  # type: ignore[arg-type]
    ],
)  # fmt: skip
def test_foreseen_errors_are_one_line_and_exit_1(
    problem: Exception,
    text: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fails_with(monkeypatch, problem)

    assert run(["fake"]) == 1
    assert capsys.readouterr().err == text


def test_an_interrupt_exits_130(monkeypatch: pytest.MonkeyPatch) -> None:
    fails_with(monkeypatch, KeyboardInterrupt())

    assert run(["fake"]) == 130


def test_an_interrupt_while_the_program_loads_is_no_traceback() -> None:
    program = (
        "import sys\n"
        "class Interrupts:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'numpy': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupts())\n"
        "import novaql.cli\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)

    assert (done.returncode, done.stderr) == (130, b"")


def test_a_bug_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    fails_with(monkeypatch, ZeroDivisionError("a bug"))

    with pytest.raises(ZeroDivisionError):
        run(["fake"])


@pytest.mark.parametrize(
    "args", [["nonsense"], ["version", "extra"], ["completion", "cmd"], ["--nope"]]
)
def test_a_wrong_command_line_exits_2(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(args) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Usage: novaql")
    assert "Error: " in err


def test_help_lists_every_command_without_loading_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0

    out = capsys.readouterr().out
    for name, entry in COMMANDS.items():
        assert name in out
        assert entry.help in out


@pytest.mark.parametrize("group", ["admin", "check", "tsdb", "ledger"])
def test_help_lists_commands_with_whole_sentences(
    group: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([group, "--help"]) == 0

    _, commands = capsys.readouterr().out.split("Commands:\n")
    assert all(line.endswith(".") and "..." not in line for line in commands.splitlines())


def test_the_version_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("novaql ")


def test_version_names_the_libraries(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["version"]) == 0

    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert names[:3] == ["novaql", "python", "numpy"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_call_novaql(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", shell]) == 0
    assert "_NOVAQL_COMPLETE" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "position", "offered"),
    [
        ("novaql se", "1", ["series", "serve"]),
        ("novaql query --sta", "2", ["--start", "--stats"]),
        ("novaql query up --format ", "4", ["table", "csv", "json", "arrow", "parquet"]),
        ("novaql query --data page.prom 'sum by (job) (heat", "4", ["sum by (job) (heat_total"]),
        ("novaql series --data page.prom 'heat_total{room=\"", "4", ['heat_total{room="attic']),
        ("novaql labels --data page.prom ro", "4", ["room"]),
        ("novaql query --data http://127.0.0.1:1 irat", "4", ["irate"]),
        ("novaql query --data missing.prom irat", "4", ["irate"]),
    ],
)
def test_completion_offers_commands_options_choices_and_words_of_queries(
    words: str, position: str, offered: list[str], tmp_path: Path
) -> None:
    (tmp_path / "page.prom").write_text('heat_total{room="attic"} 1\n')
    assert completed(words, position, tmp_path) == [("plain", one) for one in offered]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "position"),
    [
        ("novaql query up --data pa", "4"),
        ("novaql import pa", "2"),
        ("novaql repl pa", "2"),
        ("novaql check rules pa", "3"),
        ("novaql export --output pa", "3"),
    ],
)
def test_completion_of_a_file_is_the_shells(words: str, position: str, tmp_path: Path) -> None:
    assert completed(words, position, tmp_path) == [("file", "pa")]


def completed(words: str, position: str, folder: Path) -> list[tuple[str, str]]:
    """What the completion script of bash gets: kinds and texts."""
    done = subprocess.run(
        [sys.executable, "-c", "from novaql.cli import main; main()"],
        cwd=folder,
        env={
            **os.environ,
            "_NOVAQL_COMPLETE": "bash_complete",
            "COMP_WORDS": words,
            "COMP_CWORD": position,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    kinds = [line.partition(",") for line in done.stdout.splitlines()]
    return [(kind, text) for kind, _, text in kinds]


@pytest.mark.slow
def test_an_interrupted_query_exits_130(tmp_path: Path) -> None:
    """A query that reads from a pipe nobody writes to is stopped like Ctrl-C does."""
    command = [sys.executable, "-m", "novaql", "query", "-", "--data", str(tmp_path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(" " * 200_000)  # more than a pipe holds: returns once it is read
        process.stdin.flush()
        while process.returncode is None:  # a signal just before a read has an effect after it
            process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(1)
        assert process.returncode == 130
        assert "Traceback" not in process.stderr.read()


@pytest.mark.slow
def test_the_process_itself() -> None:
    def novaql(*args: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "novaql", *args]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    good, bad = novaql("version"), novaql("version", "x")

    assert (good.returncode, good.stderr) == (0, "")
    assert bad.returncode == 2
    assert "Traceback" not in bad.stderr


def test_a_reader_that_goes_away_is_no_error() -> None:
    program = (
        "import sys, click, types\n"
        "from novaql.cli.main import COMMANDS, Entry, run\n"
        "@click.command('fake')\n"
        "def command():\n"
        "    for _ in range(100_000): print('x' * 80)\n"
        "module = types.ModuleType('fake'); module.command = command\n"
        "sys.modules['fake'] = module\n"
        "COMMANDS['fake'] = Entry('fake', '')\n"
        "sys.exit(run(['fake']))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 1
