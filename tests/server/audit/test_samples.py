"""Deletions and snapshots of samples are in the audit log, with what they were of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from novaql import tsdb
from novaql.server.auth.roles import Role
from novaql.tsdb.errors import WriteFailed
from tests.support.servers.http_server import LocalServer, local_server

BASE = "/api/v1/admin/tsdb"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LocalServer]:
    store = tsdb.open(tmp_path / "store")
    with local_server(store) as made:
        made.write([({"__name__": "m", "i": i}, [(1000, 1.0), (2000, 2.0)]) for i in "ab"])
        yield made


def entries(server: LocalServer) -> list[dict[str, Any]]:
    answer = server.client.get("/v1/audit", headers=server.bearer())
    found = [row for row in answer.json()["data"] if row["action"].startswith("samples.")]
    return list(reversed(found))


def post(
    server: LocalServer, path: str, parameters: Mapping[str, Any], role: Role = Role.ADMIN
) -> Any:
    return server.client.post(f"{BASE}/{path}", params=parameters, headers=server.bearer(role))


def test_a_deletion_is_recorded_with_selectors_and_range(server: LocalServer) -> None:
    answer = post(server, "delete_series", {"match[]": ['m{i="a"}', "n"], "start": "1"})
    assert answer.status_code == 204
    (entry,) = entries(server)
    assert (entry["action"], entry["outcome"]) == ("samples.delete", "success")
    assert entry["after"] == {"match": ['m{i="a"}', "n"], "start": "1", "end": None}
    assert entry["actor"]["name"] == "ada@example.com"
    assert entry["request_id"] == answer.headers["x-request-id"]


def test_snapshots_and_cleaning_are_recorded(server: LocalServer) -> None:
    name = post(server, "snapshot", {"skip_head": "true"}).json()["data"]["name"]
    assert post(server, "clean_tombstones", {}).status_code == 204
    first, second = entries(server)
    assert first["action"] == "samples.snapshot"
    assert first["after"] == {"name": name, "skip_head": True}
    assert second["action"] == "samples.clean"


def test_attempts_that_are_refused_or_fail_are_recorded(
    server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    denied = post(server, "delete_series", {"match[]": "m"}, Role.OPERATOR)
    assert denied.status_code == 403
    assert post(server, "delete_series", {"match[]": "m{"}).status_code == 400

    def fail(*_: Any) -> None:
        raise WriteFailed("the disk is gone")

    monkeypatch.setattr(server.store, "delete", fail)
    assert post(server, "delete_series", {"match[]": "m"}).status_code >= 500
    outcomes = [entry["outcome"] for entry in entries(server)]
    assert outcomes == ["denied", "success", "failed"]
    assert len(server.prometheus("series", **{"match[]": "m"}).json()["data"]) == 2
