"""Subscriptions: what is refused, what is kept secret, and who may change what."""

from __future__ import annotations

import ast
import base64
from pathlib import Path

import pytest
from sqlalchemy import text

from novaql.server.db.engine import StateDatabase
from novaql.server.wiring import EVENT_TYPES
from tests.server.webhooks.conftest import ask, make_a_token, subscribe
from tests.support.peers.receiver import Receiver
from tests.support.repository.files import ROOT
from tests.support.servers.http_server import LocalServer, local_server

HERE = "http://127.0.0.1:1/"


@pytest.mark.parametrize(
    ("change", "status", "pointer"),
    [
        ({"events": ["incident.nonsense"]}, 400, "/events"),
        ({"events": ["audit.token.creat"]}, 400, "/events"),
        ({"events": []}, 400, "/events"),
        ({"secret": "whsec_" + base64.b64encode(b"k" * 23).decode()}, 400, "/secret"),
        ({"secret": "no secret at all"}, 400, "/secret"),
        ({"api_version": "2025-01-01"}, 400, "/api_version"),
        ({"url": "http://ok@127.0.0.1/"}, 422, None),
        ({"url": "ftp://127.0.0.1/"}, 422, None),
        ({"url": "http://10.0.0.1/"}, 422, None),
        ({"url": "http://[::ffff:169.254.169.254]/"}, 422, None),
        ({"url": "nonsense"}, 422, None),
        ({"url": "http://127.0.0.1/\r\nX: y"}, 400, "/url"),
        ({"more": 1}, 400, "/more"),
    ],
)
def test_what_is_refused(
    served: LocalServer, change: dict[str, object], status: int, pointer: str | None
) -> None:
    answer = ask(served, "POST", "/webhooks", {"url": HERE, "events": ["*"], **change})

    assert answer.status_code == status, answer.text
    if pointer is not None:
        assert answer.json()["error"]["details"][0]["pointer"] == pointer
    assert ask(served, "GET", "/webhooks").json()["data"] == []


def test_http_is_refused_unless_the_server_allows_it(database: StateDatabase) -> None:
    with local_server(database=database, egress_allow="127.0.0.0/8") as served:
        plain = ask(served, "POST", "/webhooks", {"url": HERE, "events": ["*"]})
        secure = ask(served, "POST", "/webhooks", {"url": "https://127.0.0.1/", "events": ["*"]})

    assert (plain.status_code, plain.json()["error"]["code"]) == (422, "target_not_allowed")
    assert secure.status_code == 201


def test_a_subscription_is_changed_from_the_version_that_was_seen(served: LocalServer) -> None:
    webhook = subscribe(served, HERE, "incident.*")
    path = f"/webhooks/{webhook['id']}"
    changed = ask(served, "PATCH", path, {"version": 1, "events": ["slo.*", "*", "slo.*"]})
    stale = ask(served, "PATCH", path, {"version": 1, "description": "late"})
    blind = ask(served, "PATCH", path, {"description": "blind"})
    inside = ask(served, "PATCH", path, {"version": 2, "url": "http://10.0.0.1/"})

    assert (changed.json()["events"], changed.json()["version"]) == (["*", "slo.*"], 2)
    assert [a.json()["error"]["code"] for a in (stale, blind)] == ["version_conflict"] * 2
    assert inside.status_code == 422
    assert ask(served, "GET", path).json()["description"] == ""


def test_no_secret_is_in_clear_anywhere(served: LocalServer, database: StateDatabase) -> None:
    given = "whsec_" + base64.b64encode(b"a secret of the client, 32 bytes").decode()
    webhook = subscribe(served, HERE, "*", secret=given)
    rotated = ask(served, "POST", f"/webhooks/{webhook['id']}/rotate-secret").json()["secret"]
    served.run_jobs()
    assert webhook["secret"] == given
    with database.engine.connect() as connection:
        names = [
            str(row[0])
            for row in connection.execute(
                text("SELECT name FROM sqlite_master WHERE type = 'table'")
                if database.is_sqlite
                else text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            )
        ]
        everything = "\n".join(
            str(row)
            for name in names
            for row in connection.execute(text(f'SELECT * FROM "{name}"'))
        )
    assert webhook["id"] in everything
    for secret in (given, rotated):
        assert secret not in everything
        assert secret.removeprefix("whsec_") not in everything
    entries = ask(served, "GET", f"/audit?target={webhook['id']}&action=webhook.rotate_secret")
    (entry,) = entries.json()["data"]
    assert entry["before"]["secret"] == "[hidden]"
    assert entry["after"]["secret"] == "[hidden, changed]"


def test_the_list_is_paged_and_filtered(served: LocalServer) -> None:
    ids = [subscribe(served, HERE, "*")["id"] for _ in range(3)]
    path = f"/webhooks/{ids[1]}"
    ask(served, "PATCH", path, {"version": 1, "enabled": False})
    first = ask(served, "GET", "/webhooks?limit=2").json()
    second = ask(served, "GET", f"/webhooks?limit=2&cursor={first['next_cursor']}").json()
    disabled = ask(served, "GET", "/webhooks?status=disabled").json()["data"]

    assert [row["id"] for row in first["data"] + second["data"]] == ids
    assert "next_cursor" not in second
    assert [(row["id"], row["disabled_reason"]) for row in disabled] == [(ids[1], "by_user")]
    assert ask(served, "GET", "/webhooks?status=asleep").status_code == 400


def test_disabling_is_one_change_with_one_entry(served: LocalServer) -> None:
    webhook = subscribe(served, HERE, "incident.*")
    path = f"/webhooks/{webhook['id']}"
    off = ask(served, "PATCH", path, {"version": 1, "enabled": False})
    (entry,) = ask(served, "GET", f"/audit?target={webhook['id']}&limit=1").json()["data"]
    same = ask(served, "GET", f"/audit?target={webhook['id']}").json()["data"]

    assert (off.json()["version"], off.json()["status"]) == (2, "disabled")
    assert entry["request_id"] == off.headers["x-request-id"]
    assert (entry["action"], entry["before"]["status"], entry["after"]["status"]) == (
        "webhook.update",
        "active",
        "disabled",
    )
    assert entry["after"]["disabled_reason"] == "by_user"
    assert [one["action"] for one in same] == ["webhook.update", "webhook.create"]


def test_a_delivery_belongs_to_its_webhook(served: LocalServer, receiver: Receiver) -> None:
    one = subscribe(served, receiver.url, "audit.token.create")
    other = subscribe(served, receiver.url, "incident.*")
    make_a_token(served)
    served.run_jobs()
    (delivery,) = ask(served, "GET", f"/webhooks/{one['id']}/deliveries").json()["data"]
    wrong = f"/webhooks/{other['id']}/deliveries/{delivery['id']}"

    assert ask(served, "GET", wrong).json()["error"]["code"] == "delivery_not_found"
    assert ask(served, "POST", f"{wrong}/replay").status_code == 404
    assert ask(served, "GET", f"/webhooks/{one['id']}/deliveries?type=nope").json()["data"] == []


@pytest.mark.slow
def test_every_event_that_is_published_can_be_subscribed_to() -> None:
    """Types and audit actions that stand in the server's sources are all known."""
    found = set()
    for path in (ROOT / "server").rglob("*.py"):
        for node in ast.walk(ast.parse(Path(path).read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            if node.func.attr in ("publish", "audit") and node.args:
                first = node.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    prefix = "audit." if node.func.attr == "audit" else ""
                    found.add(prefix + first.value)
    assert "audit.token.create" in found
    missing = found - EVENT_TYPES
    assert not missing, f"add to server/webhooks/events.py or server/wiring.py: {sorted(missing)}"
