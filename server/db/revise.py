"""Write the migration of a domain's tables.

`python -m novaql.server.db.revise users "why"`.

Alembic compares the tables in the code with those that all migrations create. The difference in the
domain's tables becomes `server/DOMAIN/migrations/rNNNN_….py`, by `migrations/script.py.mako`.
Read and format that file before you commit it. Then write the tables of a new database again:

`python -m novaql.server.db.revise`
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any, Literal

from alembic import command
from alembic.script import Script

from novaql.server.db.columns import Text
from novaql.server.db.engine import StateDatabase
from novaql.server.db.migrate import configuration, load_tables, migrate, upgrade
from novaql.server.db.new_database import FILE, script_of
from novaql.server.db.rows import Base

_SERVER = Path(__file__).parents[1]
_PLATFORM = "platform"
_FOLDERS = {
    _PLATFORM: ("db", "catalog"),
    "escalation": ("escalation_model", "escalation"),
    "alerts": ("alert_model", "alert_rules", "alerts", "silences", "notifications"),
}
"""Branches that contain the migrations of several folders. Every other domain has its own branch.
"""


def revise(domain: str, message: str) -> Path:
    """Write the new file and return its path. Raises `ValueError` if no table has changed."""
    load_tables()
    names = _tables_of(domain)
    folder = _SERVER / ("db/migrations/versions" if domain == _PLATFORM else f"{domain}/migrations")
    folder.mkdir(parents=True, exist_ok=True)
    number = len(list(folder.glob("r[0-9]*.py"))) + 1
    if number == 1:
        text = f'"""Migrations of the tables of {domain}."""\n'
        (folder / "__init__.py").write_text(text, encoding="utf-8")

    def need_change(_context: object, _revision: object, directives: list[Any]) -> None:
        if directives[0].upgrade_ops.is_empty():
            raise ValueError(f"the tables of {domain} are as the migrations make them")

    config = configuration()
    config.set_main_option("file_template", f"r{number:04}_%%(slug)s")
    config.attributes["comparison"] = {
        "include_object": lambda found, _, kind, *__: _table_name(found, kind) in names,
        "render_item": _render,
        "process_revision_directives": need_change,
    }
    with tempfile.TemporaryDirectory() as scratch:
        database = StateDatabase(f"sqlite:///{scratch}/state.db")
        migrate(database)
        with database.engine.connect() as connection:
            config.attributes["connection"] = connection
            script = command.revision(
                config,
                message.rstrip("."),
                autogenerate=True,
                rev_id=f"{domain}_{number:04}",
                version_path=str(folder),
                head="base" if number == 1 else f"{domain}_{number - 1:04}",
                branch_label=domain if number == 1 else None,
                depends_on=f"{_PLATFORM}_0001" if number == 1 else None,
            )
        database.close()
    assert isinstance(script, Script)
    return Path(script.path)


def new_database() -> str:
    """Return the contents of `new_database.sql`."""
    with tempfile.TemporaryDirectory() as scratch:
        database = StateDatabase(f"sqlite:///{scratch}/state.db")
        with database.engine.begin() as connection:
            upgrade(connection, set())
            script = script_of(connection)
        database.close()
    return script


def _tables_of(domain: str) -> set[str]:
    folders = _FOLDERS.get(domain, (domain,))
    return {
        str(mapper.local_table.name)  # type: ignore[attr-defined]  # a Table
        for mapper in Base.registry.mappers
        if mapper.class_.__module__.split(".")[2] in folders
    }


def _table_name(found: Any, kind: str) -> str:
    return str(found.name if kind == "table" else found.table.name)


def _render(kind: str, found: Any, _context: object) -> str | Literal[False]:
    if kind == "type":
        if type(found).__name__ == "Instant":
            return "Instant()"
        if type(found).__name__ in ("Json", "JSON"):
            return "Json"
        if isinstance(found, Text):  # a migration creates only the column
            return f"sa.{found.impl!r}"
    return False


if __name__ == "__main__":
    if sys.argv[1:]:
        sys.stdout.write(f"{revise(sys.argv[1], sys.argv[2])}\n")
    else:
        FILE.write_text(new_database(), encoding="utf-8")
