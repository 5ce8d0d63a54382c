"""Parser tables that processes share."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from novaql.language import grammar
from novaql.language.ast import VectorSelector


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("NOVAQL_CACHE_DIR", raising=False)
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
    assert stat.S_IMODE(_table(folder).stat().st_mode) == 0o644
    assert [_table(folder)] == list(folder.iterdir())

    monkeypatch.setattr(grammar, "_made_tables", lambda: pytest.fail("they were made again"))
    assert _parsed() == VectorSelector("up")


@pytest.mark.slow
def test_damaged_tables_are_replaced(folder: Path) -> None:
    _parsed()
    _table(folder).write_bytes(_table(folder).read_bytes()[:-100])
    assert grammar._read(folder) is None

    assert _parsed() == VectorSelector("up")
    assert grammar._read(folder) is not None


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_tables_that_others_could_write_are_not_read(folder: Path, mode: int) -> None:
    _parsed()
    _table(folder).chmod(mode)

    assert grammar._read(folder) is None


def test_tables_in_a_folder_that_others_could_write_are_not_read(folder: Path) -> None:
    _parsed()
    folder.chmod(0o777)

    assert grammar._read(folder) is None
    assert _parsed() == VectorSelector("up")


def test_a_link_is_not_followed(folder: Path) -> None:
    _parsed()
    table = _table(folder)
    table.rename(folder / "elsewhere")
    table.symlink_to(folder / "elsewhere")

    assert grammar._read(folder) is None


def test_without_a_folder_to_write_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))

    assert _parsed() == VectorSelector("up")
    grammar.parser.cache_clear()


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the setting, beside that of the user."""
    place = tmp_path / "shared" / "novaql"
    monkeypatch.setenv("NOVAQL_CACHE_DIR", str(place))
    return place


def test_the_folder_of_the_setting_is_filled_even_if_the_user_has_the_tables(
    folder: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOVAQL_CACHE_DIR")
    _parsed()
    monkeypatch.setenv("NOVAQL_CACHE_DIR", str(shared))
    monkeypatch.setattr(grammar, "_made_tables", lambda: pytest.fail("they were made again"))
    _parsed()

    assert _table(shared).read_bytes() == _table(folder).read_bytes()


def test_a_folder_of_the_setting_that_lacks_them_and_cannot_be_written(
    folder: Path, shared: Path
) -> None:
    shared.parent.write_text("no folder")
    assert _parsed() == VectorSelector("up")
    assert grammar._read(folder) is not None


@pytest.mark.skipif(os.getuid() != 0, reason="only root makes files of root; run as root")
@pytest.mark.usefixtures("folder")
def test_tables_of_root_are_read_by_others_and_those_of_others_are_not(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _parsed()
    monkeypatch.setattr(os, "getuid", lambda: 65533)
    assert grammar._read(shared) is not None
    os.chown(_table(shared), 65534, 65534)
    assert grammar._read(shared) is None
