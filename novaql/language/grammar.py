"""The parser, built from `grammar/` once a process.

Computing its tables takes some 40 ms, so they are cached in `NOVAQL_CACHE_DIR`, or else in the
user's cache folder. The file is a pickle, so it is read only if no other user but root can have
written it. Without a writable folder, each process computes the tables.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import lark

from novaql import grammar as grammar_folder
from novaql.language.builder import PromqlBuilder
from novaql.tsdb.runtime.cache_folder import cache_folder

_FOLDER = Path(grammar_folder.__file__).parent


@cache
def parser() -> lark.Lark:
    """Lark's LALR parser, which builds the tree while it reads."""
    return _ready(_tables())


def _ready(tables: bytes) -> lark.Lark:
    # Lark's own load() has no parameter for a transformer; it calls the method below.
    made = lark.Lark.__new__(lark.Lark)
    made._load(io.BytesIO(tables), transformer=PromqlBuilder())
    return made


def _tables() -> bytes:
    """The tables of the first cache folder that has them, or else computed ones.

    Stores them for later processes in the first folder that can be written and does not have them.
    """
    without: list[Path] = []
    for folder in _cache_folders():
        found = _read(folder)
        if found is not None:
            break
        without.append(folder)
    else:
        found = _made_tables()
    for folder in without:
        with contextlib.suppress(OSError):
            _store(folder / _table_name(), found)
            break
    return found


def _made_tables() -> bytes:
    made = lark.Lark.open(str(_FOLDER / "novaql.lark"), parser="lalr", maybe_placeholders=False)
    buffer = io.BytesIO()
    made.save(buffer)
    return buffer.getvalue()


def _store(file: Path, tables: bytes) -> None:
    """Write the cache file. Raises `OSError` if that is impossible or unsafe."""
    file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    if not _private(file.parent.lstat()):
        raise PermissionError(f"{file.parent} can be written by others")
    # Other processes must see the whole file or no file.
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=".making-")
    try:
        with os.fdopen(handle, "wb") as making:
            making.write(hashlib.sha256(tables).digest() + tables)
        Path(name).chmod(0o644)  # other users may read it
        Path(name).replace(file)
    finally:
        Path(name).unlink(missing_ok=True)


def _read(folder: Path) -> bytes | None:
    """Read the cache file; None if it is absent, damaged, or another user can have written it."""
    file = folder / _table_name()
    try:
        if not (stat.S_ISREG(file.lstat().st_mode) and _private(file.lstat())):
            return None
        if not _private(folder.lstat()):
            return None
        content = file.read_bytes()
    except OSError:
        return None
    digest, tables = content[:32], content[32:]
    return tables if hashlib.sha256(tables).digest() == digest else None


def _cache_folders() -> Iterator[Path]:
    """The folders that are searched for the file; it is stored in the first one that is
    writable."""
    shared = cache_folder()
    if shared is not None:
        yield shared
    given = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(given):
        yield Path(given) / "novaql"
        return
    with contextlib.suppress(RuntimeError):  # there is no home folder
        yield Path.home() / ".cache" / "novaql"


def _table_name() -> str:
    """The name contains everything that the tables depend on."""
    digest = hashlib.sha256()
    for path in sorted(_FOLDER.glob("*.lark")):
        digest.update(path.read_bytes())
    digest.update(f"{lark.__version__} {sys.version_info[:2]} {sys.implementation.name}".encode())
    return f"grammar-{digest.hexdigest()[:24]}.table"


def _private(found: os.stat_result) -> bool:
    if not hasattr(os, "getuid"):
        return False  # no owners to compare: no cache on such systems
    return found.st_uid in (0, os.getuid()) and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
