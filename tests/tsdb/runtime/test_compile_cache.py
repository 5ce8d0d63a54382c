"""numba's cache is used only where other users could not have written it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from novaql.tsdb.runtime.compile_cache import is_trusted

pytest.importorskip("numba", reason="numba is an extra: install novaql[compiled]")

PROGRAM = """
import sys
from novaql.tsdb.runtime.compile_cache import jit
sys.path.insert(0, sys.argv[1])
from sums import plus
made = jit(plus)
made.compile("int64(int64)")
print(made(2), sum(made.stats.cache_hits.values()), len(made.stats.cache_misses))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A private folder, below folders that are private, too."""
    for path in (tmp_path, tmp_path.parent):
        path.chmod(0o700)
    made = tmp_path / "cache"
    made.mkdir(mode=0o700)
    return made


def trusted(folder: Path, sources: Path | str = "/nowhere") -> bool:
    is_trusted.cache_clear()
    return is_trusted(str(folder), str(sources))


def test_a_private_folder_is_trusted(folder: Path) -> None:
    (folder / "a.nbi").write_bytes(b"")
    (folder / "a.nbi").chmod(0o644)
    assert trusted(folder)


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o722, 0o702])
def test_a_folder_or_file_that_others_may_write_is_not(folder: Path, mode: int) -> None:
    folder.chmod(mode)
    assert not trusted(folder)
    folder.chmod(0o1777)
    assert not trusted(folder)
    folder.chmod(0o700)
    file = folder / "a.nbc"
    file.write_bytes(b"")
    file.chmod(mode)
    assert not trusted(folder)
    file.unlink()
    assert trusted(folder)
    folder.parent.chmod(mode)  # they could put another folder in its place
    assert not trusted(folder)
    folder.parent.chmod(0o1777)  # unless it is like /tmp
    assert trusted(folder)


def test_links_are_followed(folder: Path, tmp_path: Path) -> None:
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    link = folder / "link"
    link.symlink_to(open_to_all)
    assert not trusted(link)
    assert not trusted(folder / "missing")


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files to others; run as root")
def test_a_folder_of_another_user_is_not_trusted(folder: Path) -> None:
    os.chown(folder, 65534, 65534)
    assert not trusted(folder)
    os.chown(folder, 0, 0)
    file = folder / "a.nbc"
    file.write_bytes(b"")
    os.chown(file, 65534, 65534)
    assert not trusted(folder)


def test_beside_the_sources_it_is_as_good_as_they_are(folder: Path) -> None:
    sources, beside = folder, folder / "__pycache__"
    beside.mkdir()
    sources.chmod(0o775)
    beside.chmod(0o775)
    assert trusted(beside, sources)
    beside.chmod(0o777)
    assert not trusted(beside, sources)


@pytest.mark.slow
def test_code_is_loaded_from_a_private_cache_and_no_other(folder: Path, tmp_path: Path) -> None:
    sources = tmp_path / "sources"
    sources.mkdir()
    (sources / "sums.py").write_text("def plus(x):\n    return x + 1\n")

    def run() -> list[str]:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(sources)],
            env={**os.environ, "NUMBA_CACHE_DIR": str(folder)},
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        return done.stdout.split()

    assert run() == ["3", "0", "1"]
    assert run() == ["3", "1", "0"]
    folder.chmod(0o777)
    assert run() == ["3", "0", "1"]
    folder.chmod(0o700)
    assert run() == ["3", "1", "0"]
