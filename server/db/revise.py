"""Write the migration of a domain's tables.

`python -m novaql.server.db.revise users "why"`.

It compares the tables in the code with those that all migrations create. The difference in the
domain's tables becomes `server/DOMAIN/migrations/rNNNN_….py`. Read and format that file before you
commit it.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path
from typing import Any, Literal

from alembic.autogenerate import produce_migrations, render_python_code
from alembic.runtime.migration import MigrationContext

from novaql.server.db.columns import String, Text
from novaql.server.db.engine import StateDatabase
from novaql.server.db.migrate import load_tables, migrate, scripts
from novaql.server.db.rows import Base

_SERVER = Path(__file__).parents[1]
PLATFORM = "platform"
_FOLDERS = {
    PLATFORM: ("db", "catalog"),
    "alerts": ("alert_model", "alert_rules", "alerts", "silences", "notifications"),
}
"""Branches that contain the migrations of several folders. Every other domain has its own branch.
"""

_TEMPLATE = '''"""{message}"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
{imports}
revision = "{revision}"
down_revision = {down!r}
branch_labels = {labels!r}
depends_on = {depends!r}


def upgrade() -> None:
    """Apply the migration."""
    {upgrade}


def downgrade() -> None:
    """Revert the migration."""
    {downgrade}
'''


def revise(domain: str, message: str) -> Path:
    """Write the new file and return its path. Raises `ValueError` if no table has changed."""
    load_tables()
    names = tables_of(domain)
    with tempfile.TemporaryDirectory() as folder:
        database = StateDatabase(f"sqlite:///{folder}/state.db")
        migrate(database)
        with database.engine.connect() as connection:
            context = MigrationContext.configure(
                connection,
                opts={
                    "include_object": lambda *found: _table_name(found[0], found[2]) in names,
                    "render_item": _render,
                    "target_metadata": Base.metadata,
                },
            )
            script = produce_migrations(context, Base.metadata)
        database.close()
    assert script.upgrade_ops is not None
    assert script.downgrade_ops is not None
    if script.upgrade_ops.is_empty():
        raise ValueError(f"the tables of {domain} are as the migrations make them")
    found = sorted(folder_of(domain).glob("r[0-9]*.py"))
    number = len(found) + 1
    slug = re.sub(r"[^a-z0-9]+", "_", message.lower()).strip("_")[:40]
    body = _TEMPLATE.format(
        message=message.rstrip(".") + ".",
        imports=_IMPORTS,
        revision=f"{domain}_{number:04}",
        down=f"{domain}_{number - 1:04}" if number > 1 else None,
        labels=(domain,) if number == 1 else None,
        depends=(f"{PLATFORM}_0001",) if domain != PLATFORM and number == 1 else None,
        upgrade=_code(script.upgrade_ops),
        downgrade=_code(script.downgrade_ops),
    )
    path = folder_of(domain) / f"r{number:04}_{slug}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    marker = path.parent / "__init__.py"
    if not marker.exists():
        marker.write_text(f'"""Migrations of the tables of {domain}."""\n', encoding="utf-8")
    path.write_text(body, encoding="utf-8")
    assert scripts().get_revision(f"{domain}_{number:04}") is not None
    return path


def tables_of(domain: str) -> set[str]:
    """Return the names of the tables of a branch: those defined in `server/DOMAIN`, or in its
    folders."""
    folders = _FOLDERS.get(domain, (domain,))
    found = set()
    for mapper in Base.registry.mappers:
        if mapper.class_.__module__.split(".")[2] in folders:
            found |= {str(table.name) for table in mapper.tables if hasattr(table, "name")}
    return found


def folder_of(domain: str) -> Path:
    """Return the folder of a domain's migrations."""
    if domain == PLATFORM:
        return _SERVER / "db" / "migrations" / "versions"
    return _SERVER / domain / "migrations"


_IMPORTS = """
from novaql.server.db.columns import Instant, Json
"""


def _table_name(found: Any, kind: str) -> str:
    return str(found.name if kind == "table" else found.table.name)


def _render(kind: str, found: Any, context: Any) -> str | Literal[False]:  # noqa: ARG001
    if kind == "type":
        if type(found).__name__ == "Instant":
            return "Instant()"
        if type(found).__name__ == "JSON":
            return "Json"
        if isinstance(found, String | Text):  # a migration creates only the column
            return f"sa.{found.impl!r}"
    return False


def _code(operations: Any) -> str:
    lines = render_python_code(operations, render_item=_render).splitlines()
    return "\n".join(line for line in lines if not line.strip().startswith("# ###")).strip()


if __name__ == "__main__":
    sys.stdout.write(f"{revise(sys.argv[1], sys.argv[2])}\n")
