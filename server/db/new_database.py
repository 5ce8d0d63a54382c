"""Creates the tables of a new SQLite database from a file of statements.

The statements of `new_database.sql` create the same tables and indexes as all migrations. Running
the migrations by Alembic takes a quarter of a server's first start.
`python -m novaql.server.db.revise` without arguments writes the file.
"""

from __future__ import annotations

import re
from pathlib import Path

from sqlalchemy import Connection

FILE = Path(__file__).with_name("new_database.sql")
_END = ";\n\n"
_REVISION = re.compile(r"INSERT INTO alembic_version VALUES \('(\w+)'\)")


def create_tables(connection: Connection, revisions: set[str]) -> bool:
    """Create all tables in an empty SQLite database, if the file is of these revisions.

    Returns False, and changes nothing, for any other database or revisions.
    """
    if connection.dialect.name != "sqlite" or statements_of(connection):
        return False
    statements = FILE.read_text("utf-8").split(_END)[:-1]
    if {each[1] for each in map(_REVISION.fullmatch, statements) if each} != revisions:
        return False
    for statement in statements:
        connection.exec_driver_sql(statement)
    return True


def statements_of(connection: Connection) -> list[str]:
    """Return the statements that create the tables and indexes of a SQLite database."""
    created = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid"
    return list(connection.exec_driver_sql(created).scalars())


def script_of(connection: Connection) -> str:
    """Return the contents of the file for a database that the migrations have created."""
    found = connection.exec_driver_sql("SELECT version_num FROM alembic_version ORDER BY 1")
    inserts = [f"INSERT INTO alembic_version VALUES ('{name}')" for name in found.scalars()]  # noqa: S608 - our own names
    return "".join(f"{each}{_END}" for each in (*statements_of(connection), *inserts))
