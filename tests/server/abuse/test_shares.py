"""A tenant that takes all it can get: queries, writes, rules, requests that are slow to check."""

from __future__ import annotations

import pytest

from tests.support.abuse.floods import FLOODS
from tests.support.abuse.rig import AbuseRig

pytestmark = pytest.mark.slow

ABUSE_S = 4.0


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_harms_no_other_tenant(name: str, rig: AbuseRig) -> None:
    with rig.watched() as noticed:
        statuses = FLOODS[name].run(rig, ABUSE_S)
    assert set(statuses) <= {0, 200, 201, 204, 400, 409, 422, 429, 503}, statuses
    noticed.assert_unharmed()
