"""Migrate a database to the tables of this version of the server."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, inspect, text

from novaql.lazy_exports import lazy_module
from novaql.server.db.engine import StateDatabase
from novaql.server.db.new_database import create_tables

if TYPE_CHECKING:
    from alembic import command, config, script
else:  # a database that is up to date needs none of Alembic
    command = lazy_module("alembic.command")
    config = lazy_module("alembic.config")
    script = lazy_module("alembic.script")

_SERVER = Path(__file__).parents[1]
_OWN = _SERVER / "db" / "migrations"
_REVISIONS = "alembic_version"
_LOCK = 0x6E6F7661  # of PostgreSQL's advisory locks: only one server migrates at a time
log = logging.getLogger(__name__)


class NewerDatabase(ValueError):
    """A newer server migrated the database, and this one does not support its tables."""


def migrate(database: StateDatabase) -> None:
    """Create or upgrade every table in one transaction. Does nothing if they are up to date.

    Raises `NewerDatabase` before any change.
    """
    migrate_engine(database.engine)


def has_tables(database: StateDatabase) -> bool:
    """Return whether any version has made its tables."""
    return bool(inspect(database.engine).has_table(_REVISIONS))


def migrate_engine(engine: Engine) -> None:
    """Do as `migrate`, before a `StateDatabase` uses the engine."""
    with _exclusive(engine) as connection:
        here = _revisions_in(connection)
        newest = latest()
        if here == newest:
            return
        if not create_tables(connection, newest):
            upgrade(connection, here)
        log.info("the database was migrated", extra={"revisions": sorted(newest)})


def upgrade(connection: Connection, here: set[str]) -> None:
    """Run the migrations that a database with the revisions `here` has not had.

    Raises `NewerDatabase` before any change.
    """
    unknown = here - {each.revision for each in scripts().walk_revisions()}
    if unknown:
        raise NewerDatabase(
            f"the database has migrations unknown to this version: "
            f"{', '.join(sorted(unknown))}; start the newer version that made them"
        )
    chosen = configuration()
    chosen.attributes["connection"] = connection
    command.upgrade(chosen, "heads")


def latest() -> set[str]:
    """Return the revisions of a database that is up to date, by the names of the files.

    `revise` numbers the files of a domain, and names revisions like them: `users_0002`. Alembic
    imports every file to find the same, and takes longer to load than the check needs otherwise.
    """
    found = set()
    for folder in _folders():
        numbers = [path.name[1:5] for path in folder.glob("r[0-9]*.py")]
        if numbers:  # none: `revise` is about to write the first migration of a domain
            domain = "platform" if folder == _OWN / "versions" else folder.parent.name
            found.add(f"{domain}_{max(numbers)}")
    return found


def _revisions_in(connection: Connection) -> set[str]:
    if not inspect(connection).has_table(_REVISIONS):
        return set()
    return set(connection.execute(text("SELECT version_num FROM alembic_version")).scalars())


def _folders() -> list[Path]:
    """Return the folders of migrations, the server's own first."""
    domains = sorted(folder for folder in _SERVER.glob("*/migrations") if folder != _OWN)
    return [_OWN / "versions", *domains]


def configuration() -> config.Config:
    """Return Alembic's configuration, with the migrations of every domain."""
    made = config.Config()
    made.set_main_option("script_location", str(_OWN).replace("%", "%%"))
    made.set_main_option("path_separator", "newline")
    locations = "\n".join(map(str, _folders()))
    made.set_main_option("version_locations", locations.replace("%", "%%"))
    return made


def scripts() -> script.ScriptDirectory:
    """Return all migrations."""
    return script.ScriptDirectory.from_config(configuration())


def load_tables() -> None:
    """Import every module of tables, so that the metadata is complete."""
    for path in sorted(_SERVER.rglob("tables.py")):
        dotted = ".".join(("novaql.server", *path.relative_to(_SERVER).with_suffix("").parts))
        importlib.import_module(dotted)


@contextmanager
def _exclusive(engine: Engine) -> Iterator[Connection]:
    with engine.execution_options(immediate=True).begin() as connection:
        if engine.dialect.name != "sqlite":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        yield connection
