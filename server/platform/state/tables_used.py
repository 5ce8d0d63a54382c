"""Which tables a thread reads and changes, by the statements that it executes.

What is said of reads may be more than is true (every word of a statement counts), never less. A
statement that changes something and is not understood changes `EVERYTHING`.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import Any

from sqlalchemy import Engine, event

from novaql.server.platform.state.rows import Base

EVERYTHING = "*"
_WORD = re.compile(r"[A-Za-z_]\w*")
_CHANGED = re.compile(r'\b(?:INTO|UPDATE|FROM)\s+"?(\w+)', re.IGNORECASE)
_CHANGES_NOTHING = ("SELECT", "SAVEPOINT", "RELEASE", "ROLLBACK", "PRAGMA")


class _Used(threading.local):
    read: set[str] | None = None
    changed: set[str] | None = None


_used = _Used()


@contextmanager
def tables_read() -> Iterator[set[str]]:
    """The tables that this thread reads inside of the block, as far as it has come."""
    before, _used.read = _used.read, set()
    try:
        yield _used.read
    finally:
        if before is not None:
            before |= _used.read
        _used.read = before


@contextmanager
def tables_changed() -> Iterator[set[str]]:
    """The tables that this thread changes inside of the block, as far as it has come."""
    before, _used.changed = _used.changed, set()
    try:
        yield _used.changed
    finally:
        _used.changed = before


def note_tables_of(engine: Engine) -> None:
    """Have what is executed on an engine noted."""

    @event.listens_for(engine, "before_cursor_execute")
    def note(_c: Any, _d: Any, statement: str, *_: Any) -> None:
        if _used.read is not None:
            _used.read |= words_of(statement)
        if _used.changed is not None:
            _used.changed |= changed_by(statement)


@lru_cache(maxsize=4096)
def words_of(statement: str) -> frozenset[str]:
    """Every name in a statement, among them those of the tables that it reads."""
    return frozenset(_WORD.findall(statement))


@lru_cache(maxsize=4096)
def changed_by(statement: str) -> frozenset[str]:
    """The tables that a statement changes, by foreign keys, too."""
    text = statement.lstrip().upper()
    if text.startswith(_CHANGES_NOTHING):
        return frozenset()
    found = set(_CHANGED.findall(statement))
    if "DELETE" in text:
        for name in list(found):
            found |= _emptied_with(name)
    return frozenset(found or {EVERYTHING})


@cache
def _emptied_with(table: str) -> frozenset[str]:
    """The tables whose rows go, or change, with those of another."""
    found: set[str] = set()
    left = [table]
    while left:
        parent = left.pop()
        for child in Base.metadata.tables.values():
            if child.name not in found and any(
                key.ondelete and key.column.table.name == parent for key in child.foreign_keys
            ):
                found.add(child.name)
                left.append(child.name)
    return frozenset(found)
