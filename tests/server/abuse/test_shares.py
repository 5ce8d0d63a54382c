"""A tenant that takes all it can get: queries, writes, rules, requests that are slow to check."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.abuse import abuse_rig
from tests.support.floods import FLOODS

ABUSE_S = 6.0


@pytest.mark.parametrize(("kind", "workers"), [("sqlite", 1), ("sqlite", 2), ("postgresql", 1)])
def test_floods_harm_no_other_tenant(tmp_path: Path, kind: str, workers: int) -> None:
    with abuse_rig(tmp_path / "data", kind=kind, workers=workers) as rig:
        for name, flood in FLOODS.items():
            with rig.watched() as noticed:
                statuses = flood.run(rig, ABUSE_S)
            assert set(statuses) <= {200, 201, 204, 400, 409, 422, 429, 503}, (name, statuses)
            noticed.assert_unharmed()
