"""numba's cache is used only where other users could not have written it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from novaql.tsdb.runtime.compile_cache import is_trusted

pytest.importorskip("numba", reason="numba is an extra: install novaql[compiled]")

PROGRAM = """
import sys
from numba import int64
from novaql.tsdb.runtime.compile_cache import jit
sys.path.insert(0, sys.argv[1])
import sums
for name in sys.argv[2:]:
    made = jit(getattr(sums, name), (int64,))
    made.compile((int64,))
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


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    made = tmp_path / "sources"
    made.mkdir()
    (made / "sums.py").write_text(
        "def plus(x):\n    return x + 1\ndef minus(x):\n    return x - 1\n"
    )
    return made


def run(sources: Path, *names: str, within: Sequence[str] = (), **settings: str) -> list[str]:
    """For each function: its value of 2, and how often its code came from a cache and did not.

    within  a command that runs the process
    """
    free = {k: v for k, v in os.environ.items() if k not in ("NUMBA_CACHE_DIR", "NOVAQL_CACHE_DIR")}
    done = subprocess.run(
        [*within, sys.executable, "-c", PROGRAM, str(sources), *names],
        env=free | settings,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout.splitlines()


@pytest.mark.slow
def test_code_is_loaded_from_a_private_cache_and_no_other(folder: Path, sources: Path) -> None:
    def plus() -> list[str]:
        return run(sources, "plus", NUMBA_CACHE_DIR=str(folder))

    assert plus() == ["3 0 1"]
    assert plus() == ["3 1 0"]
    folder.chmod(0o777)
    assert plus() == ["3 0 1"]
    folder.chmod(0o700)
    assert plus() == ["3 1 0"]


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("bwrap"), reason="install Debian's package `bubblewrap`")
def test_a_read_only_folder_is_used_and_what_it_lacks_is_cached_elsewhere(
    folder: Path, sources: Path, tmp_path: Path
) -> None:
    """As in a container with a read-only root, under a user without a home."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    root = ("bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc")
    read_only = (*root, "--ro-bind", str(tmp_path), str(tmp_path))  # it may be below /dev/shm
    volume = (*read_only, "--bind", str(elsewhere), str(elsewhere))
    image = {"NOVAQL_CACHE_DIR": str(folder), "HOME": "/nowhere"}
    other = image | {"NUMBA_CACHE_DIR": str(elsewhere)}
    both = "plus", "minus"

    assert run(sources, "plus", **image) == ["3 0 1"]
    assert run(sources, *both, within=read_only, **image) == ["3 1 0", "1 0 1"]
    assert run(sources, *both, within=volume, **other) == ["3 1 0", "1 0 1"]
    assert run(sources, *both, within=volume, **other) == ["3 1 0", "1 1 0"]
    assert len(list(folder.rglob("*.nbi"))) == len(list(elsewhere.rglob("*.nbi"))) == 1


@pytest.mark.skipif(os.getuid() != 0, reason="only root makes files of root; run as root")
def test_code_of_root_is_loaded_by_others(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = folder / "a.nbc"
    file.write_bytes(b"")
    monkeypatch.setattr(os, "getuid", lambda: 65533)
    assert trusted(folder)
    os.chown(file, 65534, 65534)
    assert not trusted(folder)
