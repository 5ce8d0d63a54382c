"""URLs of webhooks and channels are write-only: stored sealed, shown as scheme and host."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import inspect, text

from novaql.server.audit.readable import reader_of
from novaql.server.auth.roles import Role
from novaql.server.crypto.redaction import shown_url
from novaql.server.db.engine import StateDatabase
from novaql.server.db.master_keys import open_keys
from novaql.server.db.migrate import migrate
from novaql.server.routes import ROUTES
from novaql.server.settings import Settings
from tests.support.peers.receiver import receiving
from tests.support.servers.http_server import LocalServer, local_server
from tests.support.servers.state_databases import KINDS, state_database

SECRET = "T0P/p4th"
REACHABLE: dict[str, Any] = {"egress_allow": "127.0.0.0/8", "webhook_http": True}


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://hooks.example/services/T0/B0?key=1#x", "https://hooks.example/…"),
        ("https://user:pass@hooks.example:8443/x", "https://hooks.example/…"),
        ("http://[2001:4860::1]:80/x", "http://[2001:4860::1]/…"),
        ("https://hooks.example/…", "https://hooks.example/…"),
        ("", "…"),
        ("nonsense", "…"),
    ],
)
def test_what_is_shown_of_a_url(url: str, shown: str) -> None:
    assert shown_url(url) == shown


def everything(server: LocalServer) -> str:
    """All that administrators read of webhooks, channels and the audit log."""
    parts = []
    for path in ("/v1/webhooks", "/v1/notification-channels", "/v1/audit", "/v1/notifications"):
        answer = server.client.get(path, headers=server.bearer())
        assert answer.status_code == 200, answer.text
        parts.append(answer.text)
        for row in answer.json()["data"]:
            one = server.client.get(f"{path}/{row['id']}", headers=server.bearer())
            assert one.status_code == 200
            parts.append(one.text)
    for row in json.loads(parts[0])["data"]:
        log = f"/v1/webhooks/{row['id']}/deliveries"
        for delivery in server.client.get(log, headers=server.bearer()).json()["data"]:
            one = server.client.get(f"{log}/{delivery['id']}", headers=server.bearer())
            parts.append(one.text)
    span = {"from": "2026-01-01T00:00:00Z", "to": "2026-12-31T00:00:00Z"}
    for form in ("csv", "json"):
        asked = {**span, "format": form}
        made = server.client.post("/v1/audit/export", json=asked, headers=server.bearer())
        assert made.status_code == 201, made.text
        parts.append(server.client.get(made.json()["download_url"]).text)
    return "\n".join(parts)


def stored(database: StateDatabase) -> str:
    """Every text in every table."""
    found = []
    with database.engine.connect() as connection:
        for table in inspect(connection).get_table_names():
            found += [
                str(dict(r))
                for r in connection.execute(text(f'SELECT * FROM "{table}"')).mappings()
            ]
    return "\n".join(found)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_urls_are_nowhere_in_clear_and_stay_when_none_is_given(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        receiving() as heard,
        state_database(kind, tmp_path) as database,
        local_server(database=database, **REACHABLE) as server,
    ):
        url = f"{heard.url}/{SECRET}?k={SECRET}"
        answers = []

        def ask(method: str, path: str, body: Any, status: int) -> dict[str, Any]:
            answer = server.client.request(method, path, json=body, headers=server.bearer())
            assert answer.status_code == status, answer.text
            answers.append(answer.text)
            found: dict[str, Any] = answer.json()
            return found

        made = ask("POST", "/v1/webhooks", {"url": url, "events": ["*"]}, 201)
        assert made["url"] == "http://127.0.0.1/…"
        hook = f"/v1/webhooks/{made['id']}"
        assert ask("PATCH", hook, {"version": 1, "description": "x"}, 200)["url"] == made["url"]
        shown = ask("PATCH", hook, {"version": 2, "url": made["url"]}, 400)
        assert shown["error"]["details"][0]["pointer"] == "/url"
        ask("PATCH", hook, {"version": 2, "url": f"{url}2"}, 200)
        assert ask("POST", f"{hook}/test", None, 200)["delivered"] is True
        channels = []
        for kind_ in ("webhook", "slack"):
            at = "/v1/notification-channels"
            row = ask("POST", at, {"name": kind_, "type": kind_, kind_: {"url": url}}, 201)
            assert row["settings"]["url"] == "http://127.0.0.1/…"
            channels.append(f"{at}/{row['id']}")
            changes = {
                "version": 1,
                kind_: {"bearer_token": "t"} if kind_ == "webhook" else {"channel": "#a"},
            }
            assert (
                ask("PATCH", channels[-1], changes, 200)["settings"]["url"] == "http://127.0.0.1/…"
            )
            refused = ask("PATCH", channels[-1], {"version": 2, kind_: row["settings"]}, 400)
            assert refused["error"]["details"][0]["pointer"] == f"/{kind_}/url"
            ask("POST", f"{channels[-1]}/test", None, 202)
        server.run_jobs()
        paths = {h.path for h in heard.heard}
        assert paths == {f"/{SECRET}?k={SECRET}", f"/{SECRET}?k={SECRET}2"}
        ask("PATCH", hook, {"version": 3, "enabled": False}, 200)
        server.run_jobs()
        assert SECRET not in everything(server)
        assert SECRET not in "\n".join(answers)
        assert SECRET not in stored(database)
        assert SECRET not in caplog.text
        diff = next(
            e["diff"]
            for e in server.client.get("/v1/audit", headers=server.bearer()).json()["data"]
            if e["action"] == "webhook.update" and e["after"]["version"] == 3
        )
        assert {"op": "replace", "path": "/secret_url", "value": "[hidden, changed]"} in diff


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_urls_of_an_earlier_version_are_sealed_at_the_start(kind: str, tmp_path: Path) -> None:
    """A database of the schema before, with URLs in clear."""
    with receiving() as heard, state_database(kind, tmp_path) as database:
        url = f"{heard.url}/{SECRET}"
        key = "A" * 43 + "="
        with local_server(database=database, master_key=key, **REACHABLE) as server:
            for path, body in (
                ("/v1/webhooks", {"url": url, "events": ["webhook.*"]}),
                (
                    "/v1/notification-channels",
                    {"name": "a", "type": "webhook", "webhook": {"url": url, "bearer_token": "b"}},
                ),
            ):
                made = server.client.post(path, json=body, headers=server.bearer())
                assert made.status_code == 201, made.text
        again = StateDatabase(database.url)
        as_before(again, url)
        assert SECRET in stored(again)
        migrate(again)
        open_keys(Settings(data=tmp_path, master_key=key), again)
        before = stored(again)
        # Only what was written to the audit log then is still there: it is hidden when it is read.
        for table in ("webhooks", "notification_channels"):
            with again.engine.connect() as connection:
                rows = connection.execute(text(f'SELECT * FROM "{table}"')).mappings().all()
                assert rows
                assert SECRET not in str([dict(row) for row in rows])
        assert SECRET in before
        with local_server(database=again, master_key=key, **REACHABLE) as server:
            assert SECRET not in everything(server)
            for path in ("/v1/webhooks", "/v1/notification-channels"):
                (row,) = server.client.get(path, headers=server.bearer()).json()["data"]
                tried = server.client.post(f"{path}/{row['id']}/test", headers=server.bearer())
                assert tried.status_code in (200, 202), tried.text
            server.run_jobs()
        assert {h.path for h in heard.heard} == {f"/{SECRET}"}
        assert "Bearer b" in [h.headers.get("authorization") for h in heard.heard]


def as_before(database: StateDatabase, url: str) -> None:
    """The tables as the version before had them."""
    with database.engine.begin() as connection:
        (settings,) = connection.execute(
            text("SELECT settings FROM notification_channels")
        ).scalars()
        known = json.loads(settings) if isinstance(settings, str) else settings
        connection.execute(
            text("UPDATE notification_channels SET settings = :s"),
            {"s": json.dumps({**known, "url": url})},
        )
        connection.execute(text("ALTER TABLE notification_channels DROP COLUMN url"))
        connection.execute(text("ALTER TABLE notification_groups RENAME COLUMN notified TO told"))
        connection.execute(text("UPDATE webhooks SET url = :u"), {"u": url})
        connection.execute(
            text(
                "UPDATE alembic_version SET version_num = 'alerts_0003' "
                "WHERE version_num = 'alerts_0005'"
            )
        )
        for action in ("webhook.create", "channel.create"):
            shown = {"url": url, "settings": {"url": url}}
            diff = [{"op": "add", "path": "/url", "value": url}]
            connection.execute(
                text("UPDATE audit_entries SET after = :a, diff = :d WHERE action = :n"),
                {"a": json.dumps(shown), "d": json.dumps(diff), "n": action},
            )


TYPES = {"audit": "audit_export", "scim": "user"}
PLACES = {"audit": "/v1/audit/exports", "session": "/v1/tokens"}
OWN = ("/contact-methods", "/notification-rules")
"""Lists of which lower roles see only their own."""
ACTING = [e for e in ROUTES if e.action is not None and e.path.startswith("/v1/")]


def test_data_of_entries_is_for_those_who_may_read_the_resource() -> None:
    for endpoint in ACTING:
        assert endpoint.action is not None
        noun = endpoint.action.partition(".")[0]
        place = PLACES.get(noun, "/".join(endpoint.path.split("/")[:3]))
        lists = [e for e in ROUTES if "GET" in e.verbs and e.path.startswith(place)]
        roles = [e.role for e in lists if e.role and not e.path.endswith(OWN)]
        lowest = min(roles, key=lambda role: list(Role).index(role))
        assert reader_of(TYPES.get(noun, noun)) == lowest, (
            f"{endpoint.action}: see audit/readable.py"
        )
    assert {reader_of(t) for t in ("group", "token", "webhook_delivery", "new")} == {Role.ADMIN}


@pytest.mark.parametrize("role", [Role.READ_ONLY, Role.OPERATOR])
def test_lower_roles_see_that_but_not_what(role: Role) -> None:
    with local_server(**REACHABLE) as server:
        admin = server.bearer()
        hook = {"url": "https://192.0.43.8/x", "events": ["*"], "description": "to finance"}
        assert server.client.post("/v1/webhooks", json=hook, headers=admin).status_code == 201
        token = {"name": "ci", "role": "admin"}
        assert server.client.post("/v1/tokens", json=token, headers=admin).status_code == 201
        service = {"name": "api", "owner": "o", "tier": "t"}
        assert server.client.post("/v1/services", json=service, headers=admin).status_code == 201
        rows = server.client.get("/v1/audit", headers=server.bearer(role)).json()["data"]
        found = {row["action"]: row for row in rows}
        one = f"/v1/audit/{found['webhook.create']['id']}"
        single = server.client.get(one, headers=server.bearer(role)).json()
        full = server.client.get(one, headers=admin).json()

    for action in ("webhook.create", "token.create"):
        data = [found[action][name] for name in ("before", "after", "diff")]
        assert data == [None, None, []]
    assert single == found["webhook.create"]
    assert full["after"]["description"] == "to finance"
    assert found["service.create"]["after"]["owner"] == "o"
