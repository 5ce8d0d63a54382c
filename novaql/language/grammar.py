"""The parser made from `grammar/`, once a process.

Computing its tables takes some 40 ms, so they are cached in the user's cache folder. The file is a
pickle, so it is read only if no other user can have written it. Without a writable folder, each
process computes the tables.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import stat
import sys
import tempfile
from functools import cache
from pathlib import Path

import lark

from novaql import grammar as grammar_folder
from novaql.language.builder import PromqlBuilder

_FOLDER = Path(grammar_folder.__file__).parent


@cache
def parser() -> lark.Lark:
    """Lark's LALR parser, which builds the tree while it reads."""
    return _ready(_stored_tables() or _made_tables())


def _ready(tables: bytes) -> lark.Lark:
    # Lark's own load() takes no transformer; the method below is what it calls.
    made = lark.Lark.__new__(lark.Lark)
    made._load(io.BytesIO(tables), transformer=PromqlBuilder())
    return made


def _made_tables() -> bytes:
    """Return the tables, computed from the grammar, and cache them for later processes."""
    made = lark.Lark.open(str(_FOLDER / "novaql.lark"), parser="lalr", maybe_placeholders=False)
    buffer = io.BytesIO()
    made.save(buffer)
    with contextlib.suppress(OSError):
        _store(_cache_folder() / _table_name(), buffer.getvalue())
    return buffer.getvalue()


def _store(file: Path, tables: bytes) -> None:
    """Write the cache file. Raises `OSError` if that is impossible or unsafe."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not _private(file.parent.lstat()):
        raise PermissionError(f"{file.parent} can be written by others")
    # Others must see the whole file or none.
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=".making-")
    try:
        with os.fdopen(handle, "wb") as making:
            making.write(hashlib.sha256(tables).digest() + tables)
        Path(name).replace(file)
    finally:
        Path(name).unlink(missing_ok=True)


def _stored_tables() -> bytes | None:
    """Read the cache file; None if it is absent, damaged, or another user can have written it."""
    try:
        file = _cache_folder() / _table_name()
        if not (stat.S_ISREG(file.lstat().st_mode) and _private(file.lstat())):
            return None
        if not _private(file.parent.lstat()):
            return None
        content = file.read_bytes()
    except OSError:
        return None
    digest, tables = content[:32], content[32:]
    return tables if hashlib.sha256(tables).digest() == digest else None


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


def _private(found: os.stat_result) -> bool:
    if not hasattr(os, "getuid"):
        return False  # no owners to compare: no cache on such systems
    return found.st_uid == os.getuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
