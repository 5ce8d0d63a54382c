"""Whether a database is up to date, found without Alembic."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from novaql.server.db import migrate as migrations
from novaql.server.db.engine import StateDatabase
from novaql.server.db.migrate import latest, migrate, scripts


def test_names_of_files_are_the_heads_that_alembic_finds() -> None:
    assert latest() == set(scripts().get_heads())
    for script in scripts().walk_revisions():
        assert script.revision.endswith(f"_{Path(script.path).name[1:5]}")


def test_a_database_that_is_up_to_date_needs_no_alembic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = StateDatabase(f"sqlite:///{tmp_path}/state.db")
    migrate(database)

    def fail() -> None:
        raise AssertionError("Alembic is asked")

    monkeypatch.setattr(migrations, "scripts", fail)
    monkeypatch.setitem(sys.modules, "alembic", None)
    migrate(database)
    database.close()
