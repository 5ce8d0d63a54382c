"""Trials of rules whose templates work without end."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from novaql.server.auth.roles import Role
from tests.server.abuse.conftest import Serving
from tests.support.abuse.rig import abuse_rig

pytestmark = pytest.mark.slow

MEGABYTE = '{{ $x := "" }}{{ range 99 }}{{ $x = printf "%s%010000d" $x 0 }}{{ end }}'
TEXTS = [
    MEGABYTE + '{{ range 30000 }}{{ $y := reReplaceAll "0" "1" $x }}{{ end }}',
    MEGABYTE + '{{ match "((((0{1,30}){1,30})x?)*)y" $x }}',
    MEGABYTE + "{{ range 30000 }}{{ $y := title $x }}{{ end }}",
    '{{ range 90000 }}{{ printf "%10000d" 1 }}{{ end }}',
]


def test_trials_harm_no_other_tenant(tmp_path: Path, serving: Serving) -> None:
    bodies = [
        {
            "rule": {
                "name": "Heavy",
                "type": "alerting",
                "expr": 'count_values("i", vector(time()))',
                "annotations": {f"a{n}": text for n in range(8)},
            },
            "start": "2026-01-01T00:00:00Z",
            "end": "2026-01-02T00:00:00Z",
        }
        for text in TEXTS
    ]
    with abuse_rig(tmp_path / "data", **serving._asdict(), query_timeout_s="10") as rig:
        with rig.watched() as noticed, rig.client(Role.READ_ONLY, timeout=120) as client:

            def tried(body: object) -> int:
                return client.post("/v1/alert-rules/test", json=body).status_code

            with ThreadPoolExecutor(8) as pool:
                statuses = list(pool.map(tried, bodies * 2))
        assert set(statuses) <= {200, 422, 503}, statuses
        noticed.assert_unharmed()
