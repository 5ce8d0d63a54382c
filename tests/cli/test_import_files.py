"""`novaql import`, and `novaql query` on what was imported."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from novaql import tsdb
from novaql.cli.import_files import LateDatabase, speed_text
from novaql.cli.main import run
from novaql.cli.progress import progress_bar
from novaql.inputs.batch_stream import no_progress
from tests.support.generators.results import matrix

Text = pytest.CaptureFixture[str]
TEXT = """\
# TYPE up gauge
up{job="api"} 1 1772366400000
up{job="db"} 0 1772366400000
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with text.prom (2 series) and table.parquet (1 series, 2 samples)."""
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "text.prom").write_text(TEXT)
    table = matrix([({"__name__": "load", "host": "a"}, [0.5, 1.5])]).arrow()
    pq.write_table(table, folder / "table.parquet")
    return folder


def test_several_files_into_a_new_database(files: Path, tmp_path: Path, capfd: Text) -> None:
    target = tmp_path / "store"
    sources = [str(files / "text.prom"), str(files / "table.parquet")]

    assert run(["import", *sources, "--data", str(target)]) == 0

    out, err = capfd.readouterr()
    assert out.startswith(f"imported 4 samples of 3 series from 2 files into {target} in ")
    assert err == ""
    assert run(["series", "--data", str(target)]) == 0
    assert capfd.readouterr().out.splitlines() == [
        'load{host="a"}',
        'up{job="api"}',
        'up{job="db"}',
    ]
    noon = ["--time", "2026-03-01T12:00:00Z", "--format", "csv"]
    assert run(["query", "sum(up)", "--data", str(target), *noon]) == 0
    assert capfd.readouterr().out.endswith(",1\n")


def test_the_default_database_is_the_one_of_the_environment(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Text
) -> None:
    monkeypatch.setenv("NOVAQL_DATA", str(tmp_path / "mine"))

    assert run(["import", str(files)]) == 0
    assert run(["labels"]) == 0
    assert capfd.readouterr().out.splitlines()[-3:] == ["__name__", "host", "job"]


@pytest.mark.parametrize(
    ("text", "place"),
    [('up{job="a"} 1\nup{ 2\n', "bad.prom:2:"), ("up one\n", "bad.prom:1:"), (None, "bad.prom: ")],
)
def test_a_bad_input_changes_nothing(
    text: str | None, place: str, files: Path, tmp_path: Path, capfd: Text
) -> None:
    if text is not None:
        (files / "bad.prom").write_text(text)
    target = tmp_path / "store"

    sources = [str(files / "text.prom"), str(files / "bad.prom")]
    assert run(["import", *sources, "--data", str(target)]) == 1

    out, err = capfd.readouterr()
    assert out == ""
    assert place in err
    assert not target.exists()


def test_columns_can_be_named(tmp_path: Path, capfd: Text) -> None:
    (tmp_path / "odd.csv").write_text("when,reading,room,note\n1772366400,21.5,kitchen,x\n")
    target = ["--data", str(tmp_path / "store")]
    columns = ["--time-column", "when", "--value-column", "reading", "--label-column", "room"]

    assert run(["import", str(tmp_path / "odd.csv"), *columns, "--name", "celsius", *target]) == 0
    assert run(["series", *target]) == 0
    assert capfd.readouterr().out.splitlines()[-1] == 'celsius{room="kitchen"}'


def test_what_lies_in_the_way_is_left_alone(files: Path, tmp_path: Path, capfd: Text) -> None:
    (tmp_path / "store").write_text("mine")

    assert run(["import", str(files), "--data", str(tmp_path / "store")]) == 2
    assert "is a file, not the folder of a database" in capfd.readouterr().err
    assert (tmp_path / "store").read_text() == "mine"


def test_a_store_in_use_is_named(files: Path, tmp_path: Path, capfd: Text) -> None:
    with tsdb.open(tmp_path / "store"):
        assert run(["import", str(files), "--data", str(tmp_path / "store")]) == 1
    assert str(tmp_path / "store") in capfd.readouterr().err


def test_no_bar_where_nobody_watches() -> None:
    with progress_bar("importing") as progress:
        assert progress is no_progress


def test_a_speed_is_told_of_long_imports_alone() -> None:
    assert speed_text(720, 1.8) == speed_text(5_000_000, 0.9) == ""
    assert speed_text(5_000_000, 2.0) == ", 2.5 million a second"


@pytest.mark.slow
def test_a_bar_on_a_terminal(files: Path, tmp_path: Path) -> None:
    master, terminal = pty.openpty()
    try:
        command = [sys.executable, "-m", "novaql", "import", str(files)]
        done = subprocess.run(
            [*command, "--data", str(tmp_path / "store")],
            stdout=subprocess.PIPE,
            stderr=terminal,
            timeout=60,
            check=True,
        )
        shown = ""
        while select.select([master], [], [], 0)[0]:  # a terminal gives a few kilobytes at a time
            shown += os.read(master, 1 << 16).decode(errors="replace")
    finally:
        os.close(terminal)
        os.close(master)
    assert "importing" in shown
    assert "100 %" in shown
    assert done.stdout.startswith(b"imported 4 samples of 3 series from 2 files")


def test_a_late_database_is_not_created_for_nothing(tmp_path: Path) -> None:
    LateDatabase(tmp_path / "store").close()

    assert not (tmp_path / "store").exists()


def piped(arguments: list[str], content: bytes, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "novaql", "import", *arguments, "--data", "store"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    run = subprocess.run(
        command, input=content, cwd=folder, env=environment, capture_output=True, check=False
    )
    return subprocess.CompletedProcess(
        command, run.returncode, run.stdout.decode(), run.stderr.decode()
    )


@pytest.mark.slow
def test_what_comes_through_a_pipe_is_imported(tmp_path: Path) -> None:
    exported = b'{"metric":{"__name__":"up","job":"a"},"values":[1,2],"timestamps":[1000,2000]}\n'
    first = piped(["-"], exported, tmp_path)
    assert first.stdout.startswith("imported 2 samples of 1 series from 1 file into store"), first
    second = piped(["-", "--format", "influx", "--precision", "s"], b"up,job=b x=3 5", tmp_path)
    assert second.stdout.startswith("imported 1 samples"), second
    bad = piped(["-", "--format", "influx"], b"good v=1\nbad\n", tmp_path)
    assert bad.returncode == 1
    assert "standard input:2: " in bad.stderr
    with tsdb.open(tmp_path / "store") as store:
        found = store.series([], 0, 10_000)
        assert sorted(one["__name__"] for one in found) == ["up", "up_x"]


def test_a_named_pipe_is_imported(
    tmp_path: Path, capfd: Text, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    writer = subprocess.Popen(["sh", "-c", "echo 'm 1 1000' > pipe"], cwd=tmp_path)
    assert run(["import", "pipe", "--data", "store"]) == 0
    assert writer.wait(timeout=10) == 0
    assert capfd.readouterr().out.startswith("imported 1 samples of 1 series")
