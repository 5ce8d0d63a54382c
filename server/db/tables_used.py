"""Records the tables that a transaction reads and changes, from the statements that it executes."""

from __future__ import annotations

import re
from dataclasses import field
from functools import cache, lru_cache
from typing import Any

from sqlalchemy import Connection, Engine, event

from novaql.fast_dataclass import dataclass
from novaql.server.db.rows import Base

_WORD = re.compile(r"[A-Za-z_]\w*")
_USED = "novaql_tables_used"


@dataclass(slots=True)
class TablesUsed:
    """Names of tables.

    read     a superset: every word of a statement counts, and a column may have the name of a table
    changed  exact; includes tables whose rows a foreign key deletes or changes
    """

    read: set[str] = field(default_factory=set)
    changed: set[str] = field(default_factory=set)


def watch(engine: Engine) -> None:
    """Record the tables that units of work over an engine use."""

    @event.listens_for(engine, "before_cursor_execute")
    def note(
        connection: Connection,
        cursor: Any,  # noqa: ARG001 - the hook's signature
        statement: str,
        parameters: Any,  # noqa: ARG001 - likewise
        context: Any,
        executemany: bool,  # noqa: ARG001 - likewise
    ) -> None:
        used = connection.info.get(_USED)
        if used is None:
            return
        if context.isinsert or context.isupdate or context.isdelete:
            table = context.compiled.statement.table.name
            used.changed.add(table)
            if context.isdelete:
                used.changed |= _changed_with(table)
        else:
            used.read |= _named(statement)


def begin_noting(connection: Connection) -> TablesUsed:
    """Start a new record for the unit of work that begins on a connection."""
    used: TablesUsed = TablesUsed()
    connection.info[_USED] = used
    return used


@lru_cache(maxsize=4096)
def _named(statement: str) -> frozenset[str]:
    return frozenset(Base.metadata.tables.keys() & set(_WORD.findall(statement)))


@cache
def _changed_with(table: str) -> frozenset[str]:
    """Return the tables whose rows the database deletes or changes with those of another."""
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
