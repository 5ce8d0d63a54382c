"""`novaql delete` in a process of its own code: what goes, what is told, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from novaql import tsdb
from novaql.cli.main import run
from tests.support.store.model import batch_of, read_all

Text = pytest.CaptureFixture[str]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    with tsdb.open(path) as database:
        database.append(
            batch_of(
                [({"__name__": "up", "job": j}, 1000 * t, 1.0) for t in range(10) for j in "ab"]
            )
        )
        database.flush()
    return path


def left(path: Path) -> int:
    with tsdb.open(path, read_only=True) as database:
        return sum(len(samples) for samples in read_all(database).values())


def test_a_window_of_a_series_goes(store: Path, capfd: Text) -> None:
    arguments = ["delete", 'up{job="a"}', "--data", str(store), "--start", "2", "--end", "5"]

    assert run([*arguments, "--dry-run"]) == 0
    assert capfd.readouterr().out == f"would delete 4 samples of 1 series from {store}\n"
    assert left(store) == 20
    assert run(arguments) == 0
    assert capfd.readouterr().out == f"deleted 4 samples of 1 series from {store}\n"
    assert left(store) == 16
    assert run(arguments) == 0
    assert capfd.readouterr().out == f"deleted 0 samples of 0 series from {store}\n"


def test_cleaning_gives_the_room_back(store: Path, capfd: Text) -> None:
    before = sum(file.stat().st_size for file in (store / "blocks").iterdir())

    assert run(["delete", "up", "--data", str(store), "--clean"]) == 0

    assert capfd.readouterr().out.startswith("deleted 20 samples of 2 series")
    assert sum(file.stat().st_size for file in (store / "blocks").iterdir()) < before
    assert left(store) == 0


def test_a_dry_run_works_beside_a_writer_and_a_deletion_does_not(store: Path, capfd: Text) -> None:
    with tsdb.open(store):
        assert run(["delete", "up", "--data", str(store), "--dry-run"]) == 0
        capfd.readouterr()
        assert run(["delete", "up", "--data", str(store)]) == 1
        assert "error: " in capfd.readouterr().err
    assert left(store) == 20


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "SELECTOR"),
        (["rate(up[5m])"], 1, "a selector such as"),
        (["up", "--start", "5", "--end", "2"], 2, "--end is before --start"),
        (["{}"], 1, "matches every series"),
    ],
)
def test_what_is_wrong_is_said(
    store: Path, capfd: Text, arguments: list[str], code: int, said: str
) -> None:
    assert run(["delete", *arguments, "--data", str(store)]) == code
    assert said in capfd.readouterr().err
    assert left(store) == 20


def test_where_there_is_no_database_none_is_made(tmp_path: Path, capfd: Text) -> None:
    assert run(["delete", "up", "--data", str(tmp_path / "nothing")]) == 1
    assert "error: " in capfd.readouterr().err
    assert not (tmp_path / "nothing").exists()
