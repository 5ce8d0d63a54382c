"""YAML that is small as a text and large as a value, at every endpoint that reads YAML."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from novaql.server.auth.roles import Role
from tests.server.abuse.conftest import Serving
from tests.support.abuse.rig import abuse_rig
from tests.support.servers.http_server import local_server

ALIASES = "\n".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}' if level else 'x'] * 9)}]"
    for level in range(9)
)
TARGET = f"""
apiVersion: openslo/v1
kind: SLO
metadata: {{name: x}}
{ALIASES}
spec:
  service: api
  timeWindow: [{{duration: 28d, isRolling: true}}]
  objectives: [{{target: *a8}}]
"""
TEXTS = [
    TARGET,
    f"{ALIASES}\nroute: *a8\ngroups: *a8\n",
    "\n---\n".join([TARGET.replace("a8", "a4")] * 100),
    "[" * 400_000,
    f"groups: {'9' * 400_000}\nroute: {'9' * 400_000}",
    f"{'x' * 400_000}: 1",
]


def doors(text: str) -> list[tuple[str, str, dict[str, object]]]:
    return [
        ("POST", "/v1/slo/import", {"document": text}),
        ("POST", "/v1/alert-routing/import", {"document": text, "dry_run": True}),
        ("POST", "/v1/alert-rules/import", {"document": text, "file": "a.yml"}),
    ]


@pytest.mark.parametrize("text", TEXTS)
def test_each_is_refused_with_a_short_message(text: str) -> None:
    with local_server() as server:
        for method, path, body in doors(text):
            answer = server.client.request(
                method, path, json=body, headers=server.bearer(Role.ADMIN)
            )
            refused = answer.status_code in (400, 422) or (
                path == "/v1/slo/import" and answer.json()["created"] == []
            )
            assert refused, (path, answer.status_code)
            assert len(answer.content) < 50_000, path


@pytest.mark.slow
def test_other_tenants_do_not_notice(tmp_path: Path, serving: Serving) -> None:
    with abuse_rig(tmp_path / "data", **serving._asdict()) as rig:
        with rig.watched() as noticed, rig.client(Role.ADMIN, timeout=60) as client:

            def sent(door: tuple[str, str, dict[str, object]]) -> int:
                return client.request(door[0], door[1], json=door[2]).status_code

            every = [door for text in TEXTS for door in doors(text)]
            with ThreadPoolExecutor(6) as pool:
                statuses = list(pool.map(sent, every * 3))
        assert set(statuses) <= {200, 400, 403, 422, 503}, statuses
        noticed.assert_unharmed(memory_bytes=1 << 30)
