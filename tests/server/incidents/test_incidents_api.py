"""/v1/incidents over HTTP: what is made, shown, found, refused."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from novaql.server.auth.bootstrap import add_tenant
from novaql.server.auth.roles import Role
from tests.server.incidents.conftest import Desk
from tests.support.servers.http_server import token_of


def test_an_incident_from_beginning_to_end(desk: Desk) -> None:
    desk.service("ledger")
    me = desk.get("/users")["data"][0]
    fields: dict[str, Any] = {
        "title": "checkout answers with errors",
        "severity": "sev1",
        "services": ["ledger", "api", "ledger"],
        "description": "since the release",
        "dedup_key": "checkout",
        "escalation_policy_id": None,
        "assignees": [me["id"]],
    }
    answer = desk.ask("POST", "/incidents", fields)
    made = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/v1/incidents/{made['id']}"
    assert made["id"].startswith("inc_")
    assert {name: made[name] for name in fields} == {**fields, "services": ["ledger", "api"]}
    assert (made["status"], made["version"], made["triggers"]) == ("triggered", 1, 1)
    assert made["created_at"] == made["updated_at"] == "2026-04-01T12:00:00Z"
    assert made["created_by"] == {"type": "user", "id": me["id"], "name": "ada@example.com"}
    assert (made["acknowledged_by"], made["acknowledged_at"], made["related_to"]) == (
        [],
        None,
        None,
    )

    desk.clock.step(timedelta(minutes=1))
    path = f"/incidents/{made['id']}"
    taken = desk.post(f"{path}/ack", {})
    assert (taken["status"], taken["acknowledged_at"]) == ("acknowledged", "2026-04-01T12:01:00Z")
    assert [one["id"] for one in taken["acknowledged_by"]] == [me["id"]]
    desk.clock.step(timedelta(minutes=1))
    over = desk.post(f"{path}/resolve", {"note": "rolled back"})
    assert (over["status"], over["resolution_note"]) == ("resolved", "rolled back")
    assert over["resolved_at"] == over["updated_at"] == "2026-04-01T12:02:00Z"
    assert over["resolved_by"]["id"] == me["id"]
    assert over["version"] == 3
    assert desk.get(path) == over
    assert desk.get("/incidents")["data"] == [over]


def test_acknowledging_is_once_for_each_user(desk: Desk) -> None:
    made = desk.open()
    path = f"/incidents/{made['id']}/ack"
    first = desk.post(path)
    again = desk.post(path)
    assert again == first
    user_id, token = desk.colleague("bob@example.com")
    joined = desk.post(path, token=token)
    assert joined["acknowledged_at"] == first["acknowledged_at"]
    assert [one["id"] for one in joined["acknowledged_by"]][1:] == [user_id]
    assert desk.post(path, token=token) == joined

    assert desk.types(made["id"]) == ["triggered", "acknowledged", "acknowledger_added"]


@pytest.mark.parametrize("taken", [False, True])
def test_what_is_resolved_takes_comments_only(desk: Desk, taken: bool) -> None:
    made = desk.open()
    path = f"/incidents/{made['id']}"
    if taken:
        desk.post(f"{path}/ack")
    desk.post(f"{path}/comments", {"body": "looking"}, 201)
    desk.post(f"{path}/resolve", {"note": "done"})
    assert desk.refused("POST", f"{path}/ack") == (409, "incident_resolved")
    assert desk.refused("POST", f"{path}/resolve", {"note": "x"}) == (409, "incident_resolved")
    desk.post(f"{path}/comments", {"body": "it was the disk"}, 201)

    between = ["acknowledged"] if taken else []
    assert desk.types(made["id"]) == ["triggered", *between, "comment", "resolved", "comment"]
    assert desk.get(path)["resolution_note"] == "done"


def test_comments_and_the_timeline(desk: Desk) -> None:
    made = desk.open(description="<b>bold</b>")
    path = f"/incidents/{made['id']}"
    said = desk.post(f"{path}/comments", {"body": "=1+1 <script>"}, 201)
    assert (said["seq"], said["incident_id"], said["body"]) == (2, made["id"], "=1+1 <script>")
    assert said["id"].startswith("cmt_")
    assert said["author"]["name"] == "ada@example.com"
    for number in range(4):
        desk.post(f"{path}/comments", {"body": f"{number}"}, 201)
    entries = desk.timeline(made["id"])

    assert [entry["seq"] for entry in entries] == [1, 2, 3, 4, 5, 6]  # all of one millisecond
    assert {entry["at"] for entry in entries} == {"2026-04-01T12:00:00Z"}
    assert [entry["data"].get("body") for entry in entries[2:]] == ["0", "1", "2", "3"]
    assert entries[0]["data"]["description"] == "<b>bold</b>"
    assert entries[1]["data"] == {"id": said["id"], "body": "=1+1 <script>"}
    assert entries[1]["actor"] == said["author"]


def test_pages_of_a_timeline_hold_while_it_grows(desk: Desk) -> None:
    made = desk.open()
    path = f"/incidents/{made['id']}"
    for number in range(4):
        desk.post(f"{path}/comments", {"body": f"{number}"}, 201)
    first = desk.get(f"{path}/timeline?limit=3")
    desk.post(f"{path}/comments", {"body": "late"}, 201)
    second = desk.get(f"{path}/timeline?limit=3&cursor={first['next_cursor']}")

    assert [entry["seq"] for entry in first["data"] + second["data"]] == [1, 2, 3, 4, 5, 6]
    assert "next_cursor" not in second
    other = desk.open()
    elsewhere = f"/incidents/{other['id']}/timeline?limit=3&cursor={first['next_cursor']}"
    assert desk.refused("GET", elsewhere) == (400, "invalid_cursor")


def test_filters_and_pages(desk: Desk) -> None:
    desk.service("ledger")
    one = desk.open(severity="sev1", services=["api", "ledger"])
    two = desk.open(severity="sev2", services=["ledger"])
    three = desk.open(severity="sev1", services=[])
    desk.post(f"/incidents/{two['id']}/ack")
    desk.post(f"/incidents/{three['id']}/resolve", {"note": "x"})

    def found(query: str) -> list[str]:
        return [row["id"] for row in desk.get(f"/incidents{query}")["data"]]

    assert found("") == [three["id"], two["id"], one["id"]]
    assert found("?status=open") == [two["id"], one["id"]]
    assert found("?status=triggered") == [one["id"]]
    assert found("?status=acknowledged") == [two["id"]]
    assert found("?status=resolved") == [three["id"]]
    assert found("?status=resolved&status=triggered") == [three["id"], one["id"]]
    assert found("?status=open&status=triggered") == [two["id"], one["id"]]
    assert found("?status=open&status=resolved") == [three["id"], two["id"], one["id"]]
    assert found("?severity=sev1") == [three["id"], one["id"]]
    assert found("?service=ledger") == [two["id"], one["id"]]
    assert found("?service=api") == [one["id"]]
    assert found("?service=ap") == found("?service=API") == found("?service=%25") == []
    assert found("?service=ledger&severity=sev1&status=open") == [one["id"]]
    page = desk.get("/incidents?limit=2")
    desk.open()
    rest = desk.get(f"/incidents?limit=2&cursor={page['next_cursor']}")
    assert [row["id"] for row in page["data"] + rest["data"]] == [
        three["id"],
        two["id"],
        one["id"],
    ]
    assert "next_cursor" not in rest


@pytest.mark.parametrize(
    "query",
    [
        *("severity=sev9", "severity=sev1&severity=sev2", "status=closed", "status=open&status=x"),
        *("service=", "limit=0", "x=1"),
    ],
)
def test_filters_that_are_none(shared: Desk, query: str) -> None:
    assert shared.refused("GET", f"/incidents?{query}") == (400, "validation_error")


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"title": ""}, "/title"),
        ({"title": "  "}, "/title"),
        ({"title": "x" * 201}, "/title"),
        ({"severity": "sev6"}, "/severity"),
        ({"severity": 1}, "/severity"),
        ({"services": "api"}, "/services"),
        ({"services": None}, "/services"),
        ({"services": [""]}, "/services/0"),
        ({"dedup_key": ""}, "/dedup_key"),
        ({"assignees": [5]}, "/assignees/0"),
        ({"status": "resolved"}, "/status"),
    ],
)
def test_what_is_no_incident(shared: Desk, fields: dict[str, Any], pointer: str) -> None:
    body = {"title": "errors", "severity": "sev2", "services": ["api"], **fields}
    answer = shared.ask("POST", "/incidents", body)

    assert answer.status_code == 400
    assert [one["pointer"] for one in answer.json()["error"]["details"]] == [pointer]


def test_services_and_assignees_must_be_there(desk: Desk) -> None:
    gone, _ = desk.colleague("bob@example.com")
    desk.ask("DELETE", f"/users/{gone}")
    for fields, pointer, code in (
        ({"services": ["api", "apj"]}, "/services/1", "unknown_service"),
        ({"services": ["API"]}, "/services/0", "unknown_service"),
        ({"assignees": ["usr_nobody"]}, "/assignees/0", "unknown_user"),
        ({"assignees": [gone]}, "/assignees/0", "unknown_user"),
    ):
        body = {"title": "errors", "severity": "sev2", "services": ["api"], **fields}
        error = desk.ask("POST", "/incidents", body)
        assert error.status_code == 422
        assert error.json()["error"]["code"] == code
        assert [one["pointer"] for one in error.json()["error"]["details"]] == [pointer]
    assert desk.get("/incidents")["data"] == []


@pytest.mark.parametrize("body", [{}, {"note": ""}, {"note": " "}, {"note": 1}])
def test_a_note_is_needed(shared: Desk, body: Any) -> None:
    made = shared.open()
    path = f"/incidents/{made['id']}/resolve"
    assert shared.refused("POST", path, body) == (400, "validation_error")
    assert shared.get(f"/incidents/{made['id']}")["status"] == "triggered"


def test_who_is_not_there(shared: Desk) -> None:
    nobody = "/incidents/inc_01JQZZZZZZZZZZZZZZZZZZZZZZ"
    for method, path, body in (
        ("GET", "", None),
        ("GET", "/timeline", None),
        ("POST", "/ack", None),
        ("POST", "/resolve", {"note": "x"}),
        ("POST", "/comments", {"body": "x"}),
    ):
        assert shared.refused(method, nobody + path, body) == (404, "incident_not_found")


def test_another_tenant_sees_and_triggers_its_own(desk: Desk) -> None:
    database = desk.server.context.database
    other = add_tenant(database, desk.clock, "other").id
    eve = token_of(database, other, Role.ADMIN, "eve@example.com")
    ours = desk.open(dedup_key="k")
    body = {"title": "theirs", "severity": "sev3", "services": [], "dedup_key": "k"}
    theirs = desk.post("/incidents", body, 201, token=eve)

    assert theirs["related_to"] is None
    assert desk.ask("GET", f"/incidents/{ours['id']}", token=eve).status_code == 404
    shown = desk.ask("GET", "/incidents", token=eve).json()["data"]
    assert [row["id"] for row in shown] == [theirs["id"]]
    assert [row["id"] for row in desk.get("/incidents")["data"]] == [ours["id"]]


def test_readers_read_and_operators_write(shared: Desk) -> None:
    made = shared.open()
    tokens = shared.server.tokens
    for path in ("/incidents", f"/incidents/{made['id']}", f"/incidents/{made['id']}/timeline"):
        assert shared.ask("GET", path, token=tokens[Role.READ_ONLY]).status_code == 200
    ack = f"/incidents/{made['id']}/ack"
    assert shared.ask("POST", ack, token=tokens[Role.READ_ONLY]).status_code == 403
    assert shared.ask("POST", ack, token=tokens[Role.OPERATOR]).status_code == 200


def test_a_key_of_the_request_makes_one(desk: Desk) -> None:
    body = {"title": "errors", "severity": "sev2", "services": ["api"]}
    headers = desk.server.bearer() | {"Idempotency-Key": "k1"}
    one, two = (
        desk.server.client.post("/v1/incidents", json=body, headers=headers) for _ in range(2)
    )
    assert one.content == two.content
    assert two.headers["idempotent-replayed"] == "true"
    assert len(desk.get("/incidents")["data"]) == 1
    assert desk.types(one.json()["id"]) == ["triggered"]
