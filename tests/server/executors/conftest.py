"""Folders that other users can enter, unlike those of pytest: scripts have another uid."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A new folder, which only this user can change and every user can enter."""
    with tempfile.TemporaryDirectory(prefix="executors-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
