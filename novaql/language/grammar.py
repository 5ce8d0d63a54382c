"""The parser made from `grammar/`, once a process.

Making its tables takes some 40 ms, so they are kept in the user's cache folder. The file is a
pickle, so it is read only where nobody else could have written it. Without a folder to write to,
the tables are made anew.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import tempfile
from functools import cache
from pathlib import Path

import lark

import grammar as grammar_folder
from novaql.language.builder import PromqlBuilder

_FOLDER = Path(grammar_folder.__file__).parent


@cache
def parser() -> lark.Lark:
    """Lark's LALR parser, which builds the tree while it reads."""
    try:
        kept = _cache_folder() / _table_name()
        if _only_ours(kept):
            return _open(kept)
        _make_folder(kept.parent)
        return _open_and_keep(kept)
    except OSError:
        return _open(None)


def _open(table: Path | None) -> lark.Lark:
    return lark.Lark.open(
        str(_FOLDER / "promql.lark"),
        parser="lalr",
        maybe_placeholders=False,
        transformer=PromqlBuilder(),
        cache=str(table) if table else False,
    )


def _open_and_keep(kept: Path) -> lark.Lark:
    # Lark writes in place; others must see the whole file or none.
    handle, name = tempfile.mkstemp(dir=kept.parent, prefix=".making-")
    os.close(handle)
    try:
        made = _open(Path(name))
        Path(name).replace(kept)
    finally:
        Path(name).unlink(missing_ok=True)
    return made


def _cache_folder() -> Path:
    """Raises `OSError` where there is no home."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(given):
        return Path(given) / "novaql"
    try:
        return Path.home() / ".cache" / "novaql"
    except RuntimeError as problem:
        raise OSError(str(problem)) from None


def _table_name() -> str:
    """Names all that the tables depend on."""
    digest = hashlib.sha256()
    for path in sorted(_FOLDER.glob("*.lark")):
        digest.update(path.read_bytes())
    digest.update(f"{lark.__version__} {sys.version_info[:2]} {sys.implementation.name}".encode())
    return f"grammar-{digest.hexdigest()[:24]}.table"


def _make_folder(folder: Path) -> None:
    """Raises `OSError` unless it is ours alone to write to."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not _private(folder.lstat()):
        raise PermissionError(f"{folder} can be written by others")


def _only_ours(file: Path) -> bool:
    """Whether the file exists, and nobody else could have written or placed it."""
    try:
        found = file.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISREG(found.st_mode) and _private(found) and _private(file.parent.lstat())


def _private(found: os.stat_result) -> bool:
    if not hasattr(os, "getuid"):
        return False  # no owners to compare: nothing is kept on such systems
    return found.st_uid == os.getuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
