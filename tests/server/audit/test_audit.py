"""The audit log: searched, shown, exported by URLs that cannot be bent."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import update

from novaql.server.audit.tables import AuditExport
from novaql.server.audit.writing import as_csv
from novaql.server.auth.bootstrap import add_tenant
from novaql.server.auth.roles import Role
from novaql.server.clock import SteppedClock, rfc3339
from novaql.server.db.tables import AuditEntry
from novaql.server.tuning import Tuning
from tests.support.servers.http_server import LocalServer, local_server, token_of

NOW = datetime(2026, 4, 1, 12, tzinfo=UTC)
ALL = {"from": "2026-03-01T00:00:00Z", "to": "2026-05-01T00:00:00Z"}


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock(NOW)


@pytest.fixture
def server(clock: SteppedClock, tuning: Tuning) -> Iterator[LocalServer]:
    with local_server(clock=clock, tuning=tuning) as made:
        yield made


def _post(server: LocalServer, path: str, body: Any = None, **more: Any) -> httpx.Response:
    headers = more.get("headers", server.bearer())
    return server.client.post(path, json=body, headers=headers)


def _service(server: LocalServer, name: str, owner: str = "team") -> httpx.Response:
    return _post(server, "/v1/services", {"name": name, "owner": owner, "tier": "t"})


def _log(server: LocalServer, **query: str) -> list[dict[str, Any]]:
    answer = server.client.get("/v1/audit", params=query, headers=server.bearer(Role.READ_ONLY))
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


def _export(server: LocalServer, **body: Any) -> dict[str, Any]:
    answer = _post(server, "/v1/audit/export", {**ALL, "format": "csv", **body})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def _open(server: LocalServer, url: str) -> httpx.Response:
    parts = urlsplit(url)
    return server.client.get(f"{parts.path}?{parts.query}")


def test_a_change_leaves_one_entry_with_its_difference(server: LocalServer) -> None:
    made = _service(server, "api")
    changed = server.client.patch(
        "/v1/services/api", json={"version": 1, "owner": "others"}, headers=server.bearer()
    )
    after, before = _log(server, target=made.json()["id"])
    assert (before["action"], after["action"]) == ("service.create", "service.update")
    assert {"op": "replace", "path": "/owner", "value": "others"} in after["diff"]
    assert after["request_id"] == changed.headers["x-request-id"]
    one = server.client.get(f"/v1/audit/{after['id']}", headers=server.bearer(Role.READ_ONLY))
    assert one.json() == after
    assert server.client.get("/v1/audit/aud_nope", headers=server.bearer()).status_code == 404


def test_a_refused_change_leaves_none(server: LocalServer) -> None:
    _service(server, "api")
    count = len(_log(server))
    assert _service(server, "api").status_code == 409
    assert len(_log(server)) == count


def test_filters_combine(server: LocalServer, clock: SteppedClock) -> None:
    _service(server, "a")
    clock.step(timedelta(hours=1))
    _service(server, "b")
    since = "2026-04-01T15:00:00+02:00"  # 13:00 in UTC
    assert len(_log(server, since=since)) == 1
    assert len(_log(server, until="2026-04-01T13:00:00Z", action="service.create")) == 1
    (newest,) = _log(server, since=since)
    assert _log(server, actor=newest["actor"]["id"], since=since) == [newest]
    assert _log(server, actor="usr_other") == []
    assert _log(server, actor=newest["actor"]["id"], target="svc_other") == []


@pytest.mark.parametrize("query", ["since=yesterday", "since=2026-04-01", "outcome=x", "user=y"])
def test_what_is_no_filter(server: LocalServer, query: str) -> None:
    answer = server.client.get(f"/v1/audit?{query}", headers=server.bearer())
    assert answer.status_code == 400


def test_pages(server: LocalServer) -> None:
    for name in "abc":
        _service(server, name)
    headers = server.bearer()
    first = server.client.get("/v1/audit?limit=2", headers=headers).json()
    cursor = first["next_cursor"]
    rest = server.client.get("/v1/audit", params={"limit": 2, "cursor": cursor}, headers=headers)
    ids = [e["id"] for e in first["data"] + rest.json()["data"]]
    assert ids == [e["id"] for e in _log(server)][: len(ids)]
    assert len(set(ids)) == len(ids)


def test_nobody_changes_or_deletes_an_entry(server: LocalServer) -> None:
    _service(server, "a")
    path = f"/v1/audit/{_log(server)[0]['id']}"
    for method in ("PUT", "PATCH", "DELETE", "POST"):
        assert server.client.request(method, path, headers=server.bearer()).status_code == 405


def test_an_export_survives_a_csv_reader_and_a_spreadsheet(server: LocalServer) -> None:
    tricky = '=HYPERLINK("http://x"),\n"quoted" größe'
    _service(server, "api", owner=tricky)
    invited = _post(server, "/v1/users", {"email": "=1+1@example.com", "role": "operator"})
    accepted = server.client.post(
        "/v1/invitations/accept", json={"token": invited.json()["invitation_token"]}
    )
    bearer = {"Authorization": f"Bearer {accepted.json()['token']}"}
    body = {"name": "by-x", "owner": "o", "tier": "t"}
    assert _post(server, "/v1/services", body, headers=bearer).status_code == 201

    export = _export(server)
    answer = _open(server, export["download_url"])
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert answer.headers["cache-control"] == "no-store"
    assert export["id"] in answer.headers["content-disposition"]
    assert export["sha256"] == hashlib.sha256(answer.content).hexdigest()
    rows = list(csv.DictReader(io.StringIO(answer.content.decode(), newline="")))
    assert len(rows) == export["entries"]
    assert any(tricky.replace('"', '\\"').replace("\n", "\\n") in row["after"] for row in rows)
    assert "'=1+1@example.com" in {row["actor_name"] for row in rows}
    assert not any(cell.startswith(("=", "+", "@")) for row in rows for cell in row.values())


def test_an_export_is_what_there_was(server: LocalServer) -> None:
    _service(server, "before")
    export = _export(server, format="json", filters={"action": "service.create"})
    _service(server, "after")
    answer = _open(server, export["download_url"])
    assert [e["after"]["name"] for e in answer.json()["data"]] == ["before"]


def test_an_export_is_an_event_itself(server: LocalServer) -> None:
    export = _export(server)
    assert _log(server, target=export["id"])[0]["action"] == "audit.export"


def test_an_empty_export_has_a_header(server: LocalServer) -> None:
    export = _export(server, filters={"target": "nothing"})
    answer = _open(server, export["download_url"])
    assert answer.text.startswith("id,at,actor_type,")
    assert answer.text.count("\r\n") == 1


@pytest.mark.parametrize(
    "change",
    [
        {"from": "2026-05-01T00:00:00Z"},
        {"to": "2028-01-01T00:00:00Z"},
        {"format": "xml"},
        {"from": "soon"},
        {"filters": {"nobody": "x"}},
    ],
)
def test_what_cannot_be_exported(server: LocalServer, change: dict[str, Any]) -> None:
    answer = _post(server, "/v1/audit/export", {**ALL, "format": "csv", **change})
    assert answer.status_code == 400


def test_a_url_that_was_changed_opens_nothing(server: LocalServer) -> None:
    one, two = _export(server), _export(server)
    url = one["download_url"]
    query = urlsplit(url).query
    bent = [
        url[:-1] + ("0" if url[-1] != "0" else "1"),
        url.replace("expires=1", "expires=2"),
        two["download_url"].split("?")[0] + "?" + query,
        url.replace("signature=", "signature=0"),
        url.replace("expires=1", "expires=x"),
        url.replace("expires=1", "expires=01"),
        url.partition("&")[0] + "&signature=",
        url + "0" * 100,
    ]
    assert [_open(server, changed).status_code for changed in bent] == [403] * 8
    assert _open(server, url).status_code == 200


def test_a_url_ends(server: LocalServer, clock: SteppedClock) -> None:
    export = _export(server)
    clock.step(timedelta(hours=1))
    assert _open(server, export["download_url"]).status_code == 410


def test_a_url_of_a_revoked_token_opens_nothing(server: LocalServer) -> None:
    made = _post(server, "/v1/tokens", {"name": "exporter", "role": "admin"}).json()
    bearer = {"Authorization": f"Bearer {made['token']}"}
    answer = _post(server, "/v1/audit/export", {**ALL, "format": "csv"}, headers=bearer)
    url = answer.json()["download_url"]
    assert _open(server, url).status_code == 200
    server.client.delete(f"/v1/tokens/{made['id']}", headers=server.bearer())
    assert _open(server, url).status_code == 403


def test_a_url_of_a_deactivated_user_opens_nothing(server: LocalServer) -> None:
    invited = _post(server, "/v1/users", {"email": "eve@example.com", "role": "admin"}).json()
    accepting = {"token": invited["invitation_token"]}
    joined = server.client.post("/v1/invitations/accept", json=accepting).json()
    bearer = {"Authorization": f"Bearer {joined['token']}"}
    answer = _post(server, "/v1/audit/export", {**ALL, "format": "csv"}, headers=bearer)
    url = answer.json()["download_url"]
    assert _open(server, url).status_code == 200
    server.client.delete(f"/v1/users/{invited['id']}", headers=server.bearer())
    assert _open(server, url).status_code == 403


def test_a_url_of_a_token_that_has_expired_opens_nothing(
    server: LocalServer, clock: SteppedClock
) -> None:
    ends = rfc3339(clock.now() + timedelta(minutes=10))
    made = {"name": "exporter", "role": "admin", "expires_at": ends}
    bearer = {"Authorization": f"Bearer {_post(server, '/v1/tokens', made).json()['token']}"}
    answer = _post(server, "/v1/audit/export", {**ALL, "format": "csv"}, headers=bearer)
    url = answer.json()["download_url"]
    assert _open(server, url).status_code == 200
    clock.step(timedelta(minutes=11))
    assert _open(server, url).status_code == 403


def test_a_url_of_a_former_administrator_opens_nothing(server: LocalServer) -> None:
    invited = _post(server, "/v1/users", {"email": "eve@example.com", "role": "admin"}).json()
    accepting = {"token": invited["invitation_token"]}
    joined = server.client.post("/v1/invitations/accept", json=accepting).json()
    bearer = {"Authorization": f"Bearer {joined['token']}"}
    answer = _post(server, "/v1/audit/export", {**ALL, "format": "csv"}, headers=bearer)
    url = answer.json()["download_url"]
    assert _open(server, url).status_code == 200
    lowered = {"version": joined["user"]["version"], "role": "operator"}
    assert _post(server, f"/v1/users/{invited['id']}", lowered).status_code == 200
    assert _open(server, url).status_code == 403


@pytest.mark.slow
@pytest.mark.parametrize("tuning", [Tuning(answer_at_once=1 << 16)], ids=[""])
def test_a_large_file_is_sent_in_bounded_memory(server: LocalServer) -> None:
    """A year of entries can be gigabytes."""
    export, size = _export(server), 32 << 20
    with server.context.database.write(None) as session:
        packed = gzip.compress(bytes(size))
        session.execute(
            update(AuditExport).where(AuditExport.id == export["id"]).values(content=packed)
        )
    parts = urlsplit(export["download_url"])
    got = 0
    tracemalloc.start()
    try:
        with server.client.stream(
            "GET", f"{parts.path}?{parts.query}", headers={"Accept-Encoding": "identity"}
        ) as answer:
            for piece in answer.iter_raw():
                got += len(piece)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (answer.status_code, got) == (200, size)
    assert peak < size / 4


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_text_of_a_client_is_a_formula(start: str) -> None:
    """The user agent is whatever a client says."""
    entry = AuditEntry(at=NOW, user_agent=f"{start}1+1")
    (row,) = csv.DictReader(io.StringIO(b"".join(as_csv([entry])).decode(), newline=""))
    assert row["user_agent"] == f"'{start}1+1"


def test_another_tenant_finds_no_export(server: LocalServer, clock: SteppedClock) -> None:
    export = _export(server)
    other = add_tenant(server.context.database, clock, "other").id
    eve = {
        "Authorization": "Bearer "
        + token_of(server.context.database, other, Role.ADMIN, "eve@example.com")
    }
    path = f"/v1/audit/exports/{export['id']}"
    assert server.client.get(path, headers=eve).status_code == 404
    assert server.client.get(path, headers=server.bearer()).status_code == 200


@pytest.mark.parametrize("tuning", [Tuning(export_at_once=0)], ids=[""])
def test_a_large_export_is_written_by_a_job(server: LocalServer) -> None:
    _service(server, "api")
    answer = _post(server, "/v1/audit/export", {**ALL, "format": "json"})
    assert (answer.status_code, answer.json()["status"]) == (202, "pending")
    assert answer.json()["download_url"] is None
    server.run_jobs()
    path = f"/v1/audit/exports/{answer.json()['id']}"
    ready = server.client.get(path, headers=server.bearer()).json()
    assert ready["status"] == "ready"
    assert _open(server, ready["download_url"]).status_code == 200
