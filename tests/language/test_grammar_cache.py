"""Parser tables kept between processes."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from novaql.language import grammar
from novaql.language.ast import VectorSelector


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    grammar.parser.cache_clear()
    yield tmp_path / "novaql"
    grammar.parser.cache_clear()


def _parsed() -> object:
    grammar.parser.cache_clear()
    return grammar.parser().parse("up")


def _table(folder: Path) -> Path:
    (table,) = folder.glob("*.table")
    return table


def test_tables_are_kept_and_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _parsed() == VectorSelector("up")
    assert stat.S_IMODE(_table(folder).stat().st_mode) == 0o600
    assert [_table(folder)] == list(folder.iterdir())

    monkeypatch.setattr(grammar, "_made_tables", lambda: pytest.fail("they were made again"))
    assert _parsed() == VectorSelector("up")


@pytest.mark.slow
def test_damaged_tables_are_replaced(folder: Path) -> None:
    _parsed()
    _table(folder).write_bytes(_table(folder).read_bytes()[:-100])
    assert grammar._stored_tables() is None

    assert _parsed() == VectorSelector("up")
    assert grammar._stored_tables() is not None


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_tables_that_others_could_write_are_not_read(folder: Path, mode: int) -> None:
    _parsed()
    _table(folder).chmod(mode)

    assert grammar._stored_tables() is None


def test_tables_in_a_folder_that_others_could_write_are_not_read(folder: Path) -> None:
    _parsed()
    folder.chmod(0o777)

    assert grammar._stored_tables() is None
    assert _parsed() == VectorSelector("up")


def test_a_link_is_not_followed(folder: Path) -> None:
    _parsed()
    table = _table(folder)
    table.rename(folder / "elsewhere")
    table.symlink_to(folder / "elsewhere")

    assert grammar._stored_tables() is None


def test_without_a_folder_to_write_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))

    assert _parsed() == VectorSelector("up")
    grammar.parser.cache_clear()
