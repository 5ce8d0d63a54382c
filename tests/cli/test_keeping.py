"""`novaql check DIR`, `repair`, `snapshot`, `backup`, `restore`: what they say, and exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest

from novaql import tsdb
from novaql.cli.main import run
from tests.support.store.model import batch_of, read_all


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "store"
    with tsdb.open(path) as database:
        database.append(batch_of([({"__name__": "m"}, n, float(n)) for n in range(100)]))
        database.flush()
        database.append(batch_of([({"__name__": "m"}, 1000, 1.0)]))
    return path


def damage(path: Path) -> Path:
    (block,) = (path / "blocks").iterdir()
    content = bytearray(block.read_bytes())
    content[40] ^= 1
    block.write_bytes(content)
    return block


def test_check_and_repair(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", str(store)]) == 0
    assert "all is well" in capsys.readouterr().out
    block = damage(store)
    for arguments in (["check", str(store)], ["check", "store", str(store)]):
        assert run(arguments) == 1
        shown = capsys.readouterr()
        assert shown.out == ""
        assert f"{block}: times page 0: checksum differs" in shown.err
    assert run(["repair", str(store)]) == 0
    told = capsys.readouterr().out
    assert "damaged: " in told
    assert f"moved: blocks/{block.name} → damaged/{block.name}" in told
    assert f"missing: blocks/{block.name}: 100 of 100 samples (times page 0)" in told
    assert run(["check", str(store)]) == 0
    assert run(["repair", str(store)]) == 0
    assert "nothing to repair" in capsys.readouterr().out


def test_exit_codes_of_what_is_no_store(
    tmp_path: Path, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["check", str(tmp_path)]) == 1
    assert "no store" in capsys.readouterr().err
    assert run(["check", str(tmp_path / "nothing")]) == 2
    assert run(["check"]) == 2
    assert run(["repair"]) == 2
    assert run(["repair", str(tmp_path)]) == 1
    with tsdb.open(store):
        assert run(["repair", str(store)]) == 1
    assert "is being written by process" in capsys.readouterr().err


def test_copies(tmp_path: Path, store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept, backup, again = (str(tmp_path / name) for name in ("kept", "backup", "again"))
    assert run(["snapshot", str(store), kept]) == 0
    assert "2 files linked" in capsys.readouterr().out
    assert run(["backup", str(store), backup]) == 0
    assert "1 block with 100 samples; 1 segment of the log" in capsys.readouterr().out
    assert run(["backup", str(store), backup]) == 0
    assert "0 of them written; 2 files were there already" in capsys.readouterr().out
    assert run(["restore", backup, again]) == 0
    assert run(["restore", backup, again]) == 1
    assert "it holds a store" in capsys.readouterr().err
    with tsdb.open(store) as one, tsdb.open(again) as other, tsdb.open(kept) as third:
        assert read_all(one) == read_all(other) == read_all(third)
    assert run(["snapshot", str(store)]) == 2


def test_a_query_names_damage(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damage(store)
    query = ["query", "m", "--data", str(store), "--time", "1"]
    assert run(query) == 0
    assert "warning: storage: blocks/0000000001.block: times page 0" in capsys.readouterr().out
    assert run([*query, "--format", "csv"]) == 0
    assert "times page 0: checksum differs" in capsys.readouterr().err
    assert run([*query, "--strict"]) == 1
    assert "times page 0: checksum differs" in capsys.readouterr().err
