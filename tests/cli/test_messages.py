"""What the shell says about wrong arguments: what is wrong, and what to do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from novaql.cli.main import run

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def page(tmp_path: Path) -> str:
    path = tmp_path / "page.om"
    path.write_text('# TYPE up gauge\nup{job="a"} 1 1700000000\n# EOF\n')
    return str(path)


def test_infos_have_one_prefix(page: str, capsys: Capture) -> None:
    assert run(["query", "rate(up[5m])", "--data", page, "--format", "csv"]) == 0
    error = capsys.readouterr().err
    assert error.startswith("info: time is 2023-11-14T22:13:20Z, that of the last sample")
    assert run(["query", "up", "--data", page]) == 0
    assert "\ninfo: time is 2023-11-14T22:13:20Z, that of" in capsys.readouterr().out


@pytest.mark.parametrize(
    "command",
    [
        ["serve", "--data", "{}"],
        ["serve", "--data", "{}", "--daemon"],
        ["delete", "up", "--data", "{}"],
        ["tsdb", "list", "{}"],
        ["restore", "{}", "new"],
        ["import", "more.om", "--data", "{}"],
        ["admin", "bootstrap", "--data", "{}"],
    ],
)
def test_a_file_or_a_server_in_place_of_a_database(
    command: list[str], page: str, capsys: Capture
) -> None:
    assert run([word.format(page) for word in command]) == 2
    made = f"`novaql import {page} --data DIR` makes one"
    expected = f"{page} is a file, not the folder of a database; {made}"
    assert expected in capsys.readouterr().err
    assert run([word.format("http://127.0.0.1:9490") for word in command]) == 2
    error = capsys.readouterr().err
    assert "http://127.0.0.1:9490 is the address of a server, not the folder of a database" in error


@pytest.mark.parametrize(
    "command",
    [
        ["check", "{}"],
        ["snapshot", "{}", "copy"],
        ["serve", "--data", "{}"],
        ["import", "more.om", "--data", "{}"],
        ["admin", "bootstrap", "--data", "{}"],
    ],
    ids=" ".join,
)
def test_data_of_a_prometheus_in_place_of_a_database(
    command: list[str], tmp_path: Path, capsys: Capture
) -> None:
    folder = tmp_path / "prometheus"
    (folder / "chunks_head").mkdir(parents=True)
    (folder / "wal").mkdir()

    assert run([word.format(folder) for word in command]) == 2
    made = f"`novaql import {folder} --data DIR` makes one"
    expected = f"{folder} is the data directory of a Prometheus, not the folder of a database"
    assert f"{expected}; {made}" in capsys.readouterr().err
    assert run(["tsdb", "list", str(folder)]) == 0
    assert sorted(file.name for file in folder.iterdir()) == ["chunks_head", "wal"]


def test_a_query_in_place_of_a_selector(page: str, capsys: Capture) -> None:
    assert run(["series", "rate(up)", "--data", page]) == 1
    assert 'a selector such as up{job="api"} is expected here' in capsys.readouterr().err


def test_nothing_to_export_or_delete(page: str, tmp_path: Path, capsys: Capture) -> None:
    hint = "info: there is no metric upp; did you mean up? (1:1)\n"
    assert run(["export", "upp", "--data", page, "-o", str(tmp_path / "none.csv")]) == 0
    assert capsys.readouterr().err == hint
    folder = str(tmp_path / "store")
    assert run(["import", page, "--data", folder]) == 0
    capsys.readouterr()
    assert run(["delete", "upp", "--data", folder]) == 0
    out, error = capsys.readouterr()
    assert error == hint
    assert out == f"deleted 0 samples of 0 series from {folder}\n"


@pytest.mark.parametrize(
    "command", [["series"], ["metrics"], ["labels"], ["lint", "up"], ["complete", "u"]], ids=str
)
def test_a_range_that_ends_before_it_begins(command: list[str], page: str, capsys: Capture) -> None:
    assert run([*command, "--data", page, "--start", "now", "--end", "-1h"]) == 2
    assert "--end is before --start" in capsys.readouterr().err


@pytest.mark.slow
def test_a_query_with_an_error_is_not_measured(page: str, capsys: Capture) -> None:
    assert run(["bench", page, "-q", "nope(", "--rounds", "1"]) == 1
    out, error = capsys.readouterr()
    assert out == ""
    assert error.splitlines() == ['error: 1:5: "(" is not closed, add ")"', "  nope(", "      ^"]


def test_check_of_no_folder(capsys: Capture) -> None:
    assert run(["check", "nope"]) == 2
    assert (
        "nope is no folder of a database, and none of store, rules, config, metrics"
        in capsys.readouterr().err
    )
    assert run(["check", "rule"]) == 2
    assert 'did you mean "rules"?' in capsys.readouterr().err


@pytest.mark.slow
def test_limits_and_tenants_of_no_server(tmp_path: Path, capsys: Capture) -> None:
    folder = tmp_path / "none"
    assert run(["admin", "limits", "--data", str(folder), "--set", "rate_per_minuet=1"]) == 2
    assert 'rate_per_minuet is no limit, did you mean "rate_per_minute"?' in capsys.readouterr().err
    assert not folder.exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["tenants", "limits", "rotate-key", "rotate-ledger-key", "token --tenant acme"]
)
def test_a_mistyped_folder_gets_no_database(
    name: str, page: str, tmp_path: Path, capsys: Capture
) -> None:
    missing, store = tmp_path / "missing", tmp_path / "store"
    assert run(["import", page, "--data", str(store)]) == 0
    files = sorted(store.rglob("*"))
    command = ["admin", *name.split()]
    for folder in (missing, store):
        capsys.readouterr()
        assert run([*command, "--data", str(folder)]) == 1
        assert f"{folder} has no database of a server" in capsys.readouterr().err
    assert not missing.exists()
    assert sorted(store.rglob("*")) == files


@pytest.mark.slow
def test_a_token_of_a_new_database_says_so(tmp_path: Path, capsys: Capture) -> None:
    command = ["admin", "token", "--data", str(tmp_path / "new")]
    assert run(command) == 0
    out, error = capsys.readouterr()
    assert out.startswith("nova_")
    assert error == f"info: created the database of a new server in {tmp_path}/new\n"
    assert run(command) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.slow
def test_ctrl_c_ends_a_long_statement(page: str, capsys: Capture) -> None:
    """DuckDB would compute it for an hour, and see the signal at its end."""
    assert run(["sql", "SELECT 1 AS one", "--data", page, "--format", "csv"]) == 0
    statement = "SELECT count(*) FROM range(1000000000000) a WHERE sqrt(a.range) > 3"
    for form in ("table", "csv"):
        threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        assert run(["sql", statement, "--data", page, "--format", form]) == 130
    out, error = capsys.readouterr()
    assert out == "one\n1\n"
    assert error.strip() == ""


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        ("serve", "server"),
        ("demo", "server"),
        ("admin", "server"),
        ("probe", "server"),
        ("mcp", "mcp"),
        ("repl", "repl"),
    ],
)
def test_a_command_without_its_extra_names_it(command: str, extra: str) -> None:
    absent = [
        *("fastapi", "starlette", "pydantic", "uvicorn", "prometheus_client", "psutil", "mcp"),
        *("sqlalchemy", "alembic", "cryptography", "httpx", "httpcore", "prompt_toolkit"),
    ]
    program = (
        f"import sys; sys.modules.update(dict.fromkeys({absent}))\n"
        f"from novaql.cli.main import run; sys.exit(run([{command!r}, '--help']))"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert done.stderr.endswith(f" is not installed; pip install 'novaql[{extra}]' brings it\n")
