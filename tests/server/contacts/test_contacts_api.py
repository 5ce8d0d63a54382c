"""Contact methods and notification rules over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from novaql.server.auth.roles import Role
from novaql.server.db.tables import AuditEntry
from tests.support.servers.http_server import LocalServer, local_server

HOOK = {"name": "phone", "type": "webhook", "webhook": {"url": "https://192.0.43.8/secret-path"}}


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with local_server() as made:
        yield made


def ask(
    server: LocalServer, method: str, path: str, body: Any = None, token: str = ""
) -> httpx.Response:
    bearer = {"Authorization": f"Bearer {token}"} if token else server.bearer()
    return server.client.request(method, f"/v1/users/{path}", json=body, headers=bearer)


def user(server: LocalServer, name: str) -> tuple[str, str]:
    """Id and token of a new operator."""
    body = {"email": f"{name}@team.example", "role": "operator"}
    invited = server.client.post("/v1/users", json=body, headers=server.bearer()).json()
    accepting = {"token": invited["invitation_token"]}
    joined = server.client.post("/v1/invitations/accept", json=accepting).json()
    return invited["id"], joined["token"]


def test_methods_and_rules_from_beginning_to_end(server: LocalServer) -> None:
    ada, token = user(server, "ada")
    made = ask(server, "POST", f"{ada}/contact-methods", HOOK, token)
    assert made.status_code == 201
    method = made.json()
    assert method["settings"] == {"url": "https://192.0.43.8/…"}
    assert "secret-path" not in made.text
    assert ask(server, "GET", f"{ada}/contact-methods", None, token).json()["data"] == [method]
    rule = {"contact_method_id": method["id"], "delay": "5m"}
    first = ask(server, "POST", f"{ada}/notification-rules", rule, token)
    assert (first.status_code, first.json()["delay"]) == (201, "5m")
    again = ask(server, "POST", f"{ada}/notification-rules", rule, token)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "rule_exists")
    listed = ask(server, "GET", f"{ada}/notification-rules", None, token).json()["data"]
    assert listed == [first.json()]
    path = f"{ada}/notification-rules/{first.json()['id']}"
    assert ask(server, "DELETE", path, None, token).status_code == 204
    assert ask(server, "DELETE", path, None, token).status_code == 404
    assert ask(server, "POST", f"{ada}/notification-rules", rule, token).status_code == 201
    path = f"{ada}/contact-methods/{method['id']}"
    assert ask(server, "DELETE", path, None, token).status_code == 204
    assert ask(server, "GET", f"{ada}/notification-rules", None, token).json()["data"] == []
    with server.context.database.read(None) as session:
        wanted = select(AuditEntry).where(AuditEntry.action.startswith("contact_method"))
        found = list(session.execute(wanted).scalars())
    assert [one.action for one in found] == ["contact_method.create", "contact_method.delete"]
    assert all("secret-path" not in str((one.before, one.after)) for one in found)


def test_users_access_their_own_contacts_and_administrators_all(server: LocalServer) -> None:
    ada, ada_token = user(server, "ada")
    bob, _ = user(server, "bob")
    for method, rest, body in (
        ("GET", "contact-methods", None),
        ("POST", "contact-methods", HOOK),
        ("DELETE", "contact-methods/ctm_01", None),
        ("GET", "notification-rules", None),
        ("POST", "notification-rules", {"contact_method_id": "ctm_01"}),
        ("DELETE", "notification-rules/nru_01", None),
    ):
        answer = ask(server, method, f"{bob}/{rest}", body, ada_token)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "not_own_contacts")
    made = ask(server, "POST", f"{bob}/contact-methods", HOOK).json()
    assert made["user_id"] == bob
    other = ask(server, "DELETE", f"{ada}/contact-methods/{made['id']}")
    assert (other.status_code, other.json()["error"]["code"]) == (404, "contact_method_not_found")
    rule = {"contact_method_id": made["id"]}
    answer = ask(server, "POST", f"{ada}/notification-rules", rule)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "unknown_contact_method")
    reader = server.tokens[Role.READ_ONLY]
    me = server.client.get("/v1/users", headers=server.bearer()).json()["data"][0]["id"]
    assert ask(server, "GET", f"{me}/contact-methods", None, reader).status_code == 200
    assert ask(server, "POST", f"{me}/contact-methods", HOOK, reader).status_code == 403


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"name": "x", "type": "webhook"}, 400, "validation_error"),
        ({"name": "x", "type": "sink", "email": {}}, 400, "validation_error"),
        ({"name": "x", "type": "pager"}, 400, "validation_error"),
        ({**HOOK, "webhook": {"url": "http://127.0.0.1:9/"}}, 422, "target_not_allowed"),
        ({**HOOK, "webhook": {"url": "http://169.254.169.254/"}}, 422, "target_not_allowed"),
        ({**HOOK, "webhook": {"url": "https://192.0.43.8/…"}}, 400, "validation_error"),
    ],
)
def test_what_is_no_contact_method(
    server: LocalServer, body: dict[str, Any], status: int, code: str
) -> None:
    ada, _ = user(server, "ada")
    answer = ask(server, "POST", f"{ada}/contact-methods", body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text


def test_a_user_has_so_many_methods_and_rules(server: LocalServer) -> None:
    ada, _ = user(server, "ada")
    body = {"name": "s", "type": "sink"}
    ids = [ask(server, "POST", f"{ada}/contact-methods", body).json()["id"] for _ in range(10)]
    assert ask(server, "POST", f"{ada}/contact-methods", body).status_code == 409
    rules = [{"contact_method_id": ids[0], "delay": f"{n}m"} for n in range(21)]
    codes = [ask(server, "POST", f"{ada}/notification-rules", r).status_code for r in rules]
    assert codes == [201] * 20 + [409]
    too_late = {"contact_method_id": ids[0], "delay": "25h"}
    assert ask(server, "POST", f"{ada}/notification-rules", too_late).status_code == 400


def test_a_deactivated_user_has_none(server: LocalServer) -> None:
    ada, _ = user(server, "ada")
    server.client.delete(f"/v1/users/{ada}", headers=server.bearer())
    assert ask(server, "GET", f"{ada}/contact-methods").status_code == 404
