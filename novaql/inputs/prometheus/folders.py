"""Recognises data directories of Prometheus by the names in them, without opening a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_ULID_LETTERS = 26
_SEGMENT_DIGITS = 8


def is_block(folder: Path) -> bool:
    """Whether a folder is one block."""
    return (folder / "meta.json").is_file() and (folder / "index").is_file()


def is_data_directory(folder: Path) -> bool:
    """Whether a folder is a Prometheus data directory, or one of its blocks."""
    if is_block(folder) or (folder / "chunks_head").is_dir() or _has_log(folder):
        return True
    return any(True for _ in block_folders(folder))


def block_folders(folder: Path) -> Iterator[Path]:
    """The blocks in a data directory, by name; also those of which a file is missing."""
    if folder.is_dir():
        yield from sorted(path for path in folder.iterdir() if _is_named_block(path))


def _has_log(folder: Path) -> bool:
    """Whether there are segments of a log, which is all that a Prometheus in agent mode has."""
    log = folder / "wal"
    if not log.is_dir():
        return False
    names = (path.name for path in log.iterdir())
    return any(len(name) == _SEGMENT_DIGITS and name.isdigit() for name in names)


def _is_named_block(folder: Path) -> bool:
    named = len(folder.name) == _ULID_LETTERS
    return named and any((folder / name).is_file() for name in ("meta.json", "index"))
