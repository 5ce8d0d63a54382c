"""Two requests disconnect a provider at the same time."""

from __future__ import annotations

from pathlib import Path

import pytest

from novaql.server.integrations import service
from tests.support.servers.at_once import beside_unit
from tests.support.servers.integration_rig import integration_rig
from tests.support.servers.state_databases import KINDS, state_database

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("kind", KINDS)
def test_of_two_one_finds_the_connection(kind: str, tmp_path: Path) -> None:
    with state_database(kind, tmp_path) as database, integration_rig(database=database) as rig:
        rig.connect_key()
        answer = beside_unit(
            rig.server,
            lambda unit: service.disconnect(unit, "fake"),
            lambda: rig.ask("DELETE", "/fake"),
        )

        assert (answer.status_code, answer.json()["error"]["code"]) == (
            404,
            "integration_not_found",
        )
