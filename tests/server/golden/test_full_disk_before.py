"""A database of an earlier version on a full disk: a copy replaces it until there is space."""

from __future__ import annotations

import time
import zipfile
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from novaql.server.auth.bootstrap import add_admin, tenants
from novaql.server.clock import SystemClock
from novaql.server.db.engine import RETRY_AFTER_S, StateDatabase
from novaql.server.db.migrate import latest
from novaql.server.errors import Unavailable
from novaql.server.settings import Settings
from novaql.server.tenants.opening import open_state
from tests.support.disks.small_disk import small_disk

pytestmark = pytest.mark.slow

DATA = Path(__file__).parent / "data_of_3454c20.zip"
CLOCK = SystemClock()


def revisions(database: StateDatabase) -> set[str]:
    with database.read(None) as session:
        return set(session.execute(text("SELECT version_num FROM alembic_version")).scalars())


def test_it_is_migrated_before_it_replaces_the_copy(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 24) as disk:
        with zipfile.ZipFile(DATA) as packed:
            packed.extractall(disk.path / "data")
        disk.fill()
        with closing(open_state(Settings(data=disk.path / "data"))) as state:
            (first, *_) = tenants(state)
            assert state.is_fallback
            with pytest.raises(Unavailable):
                add_admin(state, CLOCK, first.id)

            disk.free()
            time.sleep(RETRY_AFTER_S + 0.1)
            add_admin(state, CLOCK, first.id, called="after")
            assert revisions(state) == latest()
