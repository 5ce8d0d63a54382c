"""A real file system of a few megabytes that can be filled, and made read-only."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass
class SmallDisk:
    """A file system in memory, mounted at `path`."""

    path: Path

    def fill(self, *, but: int = 0) -> None:
        """Fill the disk, except for some bytes."""
        size = 1 << 20
        with self._filler.open("ab", buffering=0) as file:
            while size:
                try:
                    if file.write(bytes(size)) < size:
                        size //= 2
                except OSError:
                    size //= 2
            file.truncate(max(0, file.tell() - but))

    def free(self) -> None:
        """Free the filled space."""
        self._filler.unlink(missing_ok=True)

    @contextlib.contextmanager
    def seen_read_only(self, place: Path) -> Iterator[Path]:
        """The same file system, mounted read-only at another path."""
        place.mkdir()
        _run("mount", "--bind", str(self.path), str(place))
        try:
            _run("mount", "-o", "remount,bind,ro", str(place))
            yield place
        finally:
            _run("umount", str(place))

    @property
    def _filler(self) -> Path:
        return self.path / "filler"


@contextlib.contextmanager
def small_disk(place: Path, megabytes: int) -> Iterator[SmallDisk]:
    """Mounted for the block. Skips the test where that is not permitted."""
    place.mkdir()
    try:
        _run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "novaql-test", str(place))
    except (OSError, subprocess.CalledProcessError) as problem:
        said = getattr(problem, "stderr", None) or problem
        pytest.skip(f"a small disk cannot be mounted ({said}); run as root, with CAP_SYS_ADMIN")
    try:
        yield SmallDisk(place)
    finally:
        _run("umount", str(place))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
