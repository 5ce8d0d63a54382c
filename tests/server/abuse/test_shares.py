"""A tenant that takes all it can get: queries, writes, rules, requests that are slow to check."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.server.abuse.conftest import Serving
from tests.support.abuse.floods import FLOODS
from tests.support.abuse.rig import abuse_rig

ABUSE_S = 4.0


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_harms_no_other_tenant(tmp_path: Path, name: str, serving: Serving) -> None:
    with abuse_rig(tmp_path / "data", **serving._asdict()) as rig:
        with rig.watched() as noticed:
            statuses = FLOODS[name].run(rig, ABUSE_S)
        assert set(statuses) <= {0, 200, 201, 204, 400, 409, 422, 429, 503}, statuses
        noticed.assert_unharmed()
