"""Migrate a database to the tables of this version of the server."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from novaql.server.db.engine import StateDatabase

_SERVER = Path(__file__).parents[1]
_LOCK = 0x6E6F7661  # of PostgreSQL's advisory locks: only one server migrates at a time
log = logging.getLogger(__name__)


class NewerDatabase(ValueError):
    """A newer server migrated the database, and this one does not know its tables."""


def migrate(database: StateDatabase) -> None:
    """Create or upgrade every table in one transaction. Does nothing if they are up to date.

    Raises `NewerDatabase` before any change.
    """
    load_tables()
    with _exclusive(database) as connection:
        every = scripts()
        heads = set(every.get_heads())
        known = {script.revision for script in every.walk_revisions()}
        here = set(MigrationContext.configure(connection).get_current_heads())
        if here - known:
            raise NewerDatabase(
                f"the database has migrations this version does not know: "
                f"{', '.join(sorted(here - known))}; start the newer version that made them"
            )
        if here == heads:
            return
        config = configuration()
        config.attributes["connection"] = connection
        command.upgrade(config, "heads")
        log.info("the database was migrated", extra={"revisions": sorted(heads)})


def configuration() -> Config:
    """Return Alembic's configuration, with the migrations of every domain."""
    own = _SERVER / "db" / "migrations"
    folders = sorted(folder for folder in _SERVER.glob("*/migrations") if folder != own)
    config = Config()
    config.set_main_option("script_location", str(own).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    locations = "\n".join(str(folder) for folder in (own / "versions", *folders))
    config.set_main_option("version_locations", locations.replace("%", "%%"))
    return config


def scripts() -> ScriptDirectory:
    """Return all migrations."""
    return ScriptDirectory.from_config(configuration())


def load_tables() -> None:
    """Import every module of tables, so that the metadata is complete."""
    for path in sorted(_SERVER.rglob("tables.py")):
        dotted = ".".join(("novaql.server", *path.relative_to(_SERVER).with_suffix("").parts))
        importlib.import_module(dotted)


@contextmanager
def _exclusive(database: StateDatabase) -> Iterator[Connection]:
    with database.engine.execution_options(immediate=True).begin() as connection:
        if not database.is_sqlite:
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        yield connection
