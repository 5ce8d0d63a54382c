"""How the folder of a database is recognised."""

from __future__ import annotations

from pathlib import Path

_MANIFESTS = ("MANIFEST", "MANIFEST.copy")  # every database has the first, unless it is damaged


def is_database(path: Path) -> bool:
    """Whether a path is the folder of a database."""
    if any((path / name).is_file() for name in _MANIFESTS):
        return True
    return (path / "LOCK").is_file() and all((path / name).is_dir() for name in ("wal", "blocks"))
