"""Detection of damage to a SQLite database: at its opening, and while it is used."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from novaql.server.db.engine import StateDatabase, is_damage


class DamagedState(Exception):
    """The database cannot be read, or it is missing from a data directory that was in use."""


def need_sound(database: StateDatabase) -> None:
    """Check every page of a SQLite database. Takes about a second per gigabyte.

    Raises `DamagedState`.
    """
    if not database.is_sqlite:
        return
    path = database.url.database
    try:
        with database.engine.connect() as connection:
            verdict = connection.execute(text("PRAGMA quick_check(1)")).scalar_one()
    except (DatabaseError, sqlite3.DatabaseError) as problem:
        if is_damage(problem):
            raise DamagedState(f"{path} is damaged: {reason_of(problem)}") from problem
        raise
    if verdict != "ok":
        raise DamagedState(f"{path} is damaged: {' '.join(str(verdict).split())}")


def need_not_lost(data: Path) -> None:
    """Raise `DamagedState` if a data directory was in use but has no database."""
    path = data / "server" / "state.db"
    if path.exists() and path.stat().st_size > 0:
        return
    tenants = data / "tenants"
    witnesses = [path.with_name("master.key"), *(tenants.iterdir() if tenants.is_dir() else ())]
    for witness in witnesses:
        if witness.exists():
            what = "is empty" if path.exists() else "is missing"
            raise DamagedState(f"{path} {what}, but there is {witness}, which belongs to it")


def reason_of(problem: BaseException) -> str:
    """Return the message of the driver or the operating system."""
    return str(getattr(problem, "orig", None) or getattr(problem, "strerror", None) or problem)
