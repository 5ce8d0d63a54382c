"""The first migration of a new domain, for the table that the guide in server/README.md shows."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.support.repository.files import ROOT

HEAD = """
from __future__ import annotations
from typing import Any
from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped
from novaql.server.db.rows import Base, Row
"""
REVISE = """
from sqlalchemy import inspect
from novaql.server.db.engine import StateDatabase
from novaql.server.db.migrate import migrate
from novaql.server.db.revise import revise

print(revise("notes", "the table of notes").name)
database = StateDatabase("sqlite:///state.db")
migrate(database)
print(*sorted(column["name"] for column in inspect(database.engine).get_columns("notes")))
try:
    revise("notes", "the same again")
except ValueError as problem:
    print(problem)
"""


def guides_table() -> str:
    page = (ROOT / "server/README.md").read_text(encoding="utf-8")
    shown = re.search(r"^   class Note\(Row, Base\):.*?\n\n", page, re.MULTILINE | re.DOTALL)
    assert shown is not None
    return textwrap.dedent(shown[0])


@pytest.mark.slow
def test_a_new_domain_has_a_first_migration(tmp_path: Path) -> None:
    shutil.copytree(
        ROOT / "novaql", tmp_path / "novaql", ignore=shutil.ignore_patterns("__pycache__", "static")
    )
    domain = tmp_path / "novaql/server/notes"
    domain.mkdir()
    (domain / "__init__.py").write_text("")
    (domain / "tables.py").write_text(HEAD + guides_table())

    run = subprocess.run(
        [sys.executable, "-c", REVISE], cwd=tmp_path, capture_output=True, text=True, check=True
    )

    assert run.stdout.splitlines()[-3:] == [
        "r0001_the_table_of_notes.py",
        "created_at id name tenant_id updated_at version",
        "the tables of notes are as the migrations make them",
    ]
