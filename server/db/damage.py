"""Whether a SQLite database is whole: checked when it is opened, and noticed while it is used."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from novaql.server.db.engine import StateDatabase, is_damage


class DamagedState(Exception):
    """The database cannot be read, or is gone while what belongs to it is there."""


def need_sound(database: StateDatabase) -> None:
    """Check every page of a SQLite database; about a second for each gigabyte.

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
    """Raises `DamagedState` if a data directory was in use but has no database any more."""
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
    """The words of the driver."""
    return str(getattr(problem, "orig", None) or problem)
