"""Roles and status of users whom both an identity provider and an administrator change."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from novaql.server.scim.users import ScimUsers
from tests.server.scim.conftest import PATCH, USER, Idp

ADMIN = {"value": "Admin", "display": "Administrator", "primary": True}
BULK = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"


def ask(idp: Idp, method: str, path: str, body: Any = None) -> httpx.Response:
    """A request of the administrator to the API."""
    bearer = {"Authorization": f"Bearer {idp.token}"}
    return idp.server.client.request(method, f"/v1{path}", json=body, headers=bearer)


def change(idp: Idp, user: dict[str, Any], **changes: Any) -> httpx.Response:
    """A change by the administrator, from the present version."""
    users = ask(idp, "GET", "/users").json()["data"]
    version = next(one["version"] for one in users if one["id"] == user["id"])
    return ask(idp, "POST", f"/users/{user['id']}", {"version": version, **changes})


def role_of(idp: Idp, user: dict[str, Any]) -> str:
    found: str = ask(idp, "GET", f"/users/{user['id']}").json()["role"]
    return found


def last_entry(idp: Idp, user: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = ask(idp, "GET", f"/audit?target={user['id']}").json()["data"][0]
    return found


def test_another_change_does_not_restore_a_role_that_was_lowered(idp: Idp) -> None:
    user = idp.user("bob@x.io", roles=[{"value": "Engineer"}, ADMIN])
    path = f"/Users/{user['id']}"
    assert role_of(idp, user) == "admin"
    assert change(idp, user, role="read_only").status_code == 200
    shown = idp.get(path)["roles"]
    assert shown == [{"value": "read_only", "primary": True}, {"value": "Engineer"}]

    assert idp.patch(path, {"op": "replace", "path": "title", "value": "Dr."}).status_code == 204
    assert role_of(idp, user) == "read_only"

    named = {"op": "Replace", "path": 'roles[primary eq "True"].value', "value": "Operator"}
    assert idp.patch(path, named).status_code == 204
    assert role_of(idp, user) == "operator"


WITHDRAWALS: dict[str, list[dict[str, Any]]] = {
    "remove": [{"op": "remove", "path": "roles"}],
    "remove a value": [{"op": "remove", "path": 'roles[value eq "Admin"]'}],
    "another role": [{"op": "replace", "path": "roles", "value": [{"value": "Engineer"}]}],
    "PUT": [],
}


@pytest.mark.parametrize("operations", WITHDRAWALS.values(), ids=WITHDRAWALS.keys())
def test_a_role_that_the_provider_withdraws_is_lost(
    idp: Idp, operations: list[dict[str, Any]]
) -> None:
    user = idp.user("bob@x.io", roles=[ADMIN])
    path = f"/Users/{user['id']}"
    if operations:
        answer = idp.patch(path, *operations)
    else:
        answer = idp.ask("PUT", path, {"schemas": [USER], "userName": "bob@x.io", "active": True})
    assert answer.status_code in (200, 204), answer.text
    assert role_of(idp, user) == "read_only"


def test_a_role_that_the_provider_never_named_stays(idp: Idp) -> None:
    user = idp.user("bob@x.io")
    change(idp, user, role="operator")
    put = idp.ask("PUT", f"/Users/{user['id']}", user | {"title": "Dr."})

    assert (put.status_code, put.json()["title"], role_of(idp, user)) == (200, "Dr.", "operator")
    assert "roles" not in put.json()


def test_a_deleted_user_is_not_reactivated(idp: Idp) -> None:
    """The provider does not see the user any more, so it could not deactivate the user again."""
    user = idp.user("bob@x.io")
    assert idp.ask("DELETE", f"/Users/{user['id']}").status_code == 204
    refused = change(idp, user, status="active")

    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "user_not_found")
    assert idp.user("bob@x.io")["id"] != user["id"]


@pytest.mark.parametrize("name", ["deleted:bob", "DELETED:bob"])
def test_the_mark_of_deleted_users_is_no_name(idp: Idp, name: str) -> None:
    user = idp.user("bob@x.io")
    path = f"/Users/{user['id']}"
    for answer in (
        idp.ask("POST", "/Users", {"schemas": [USER], "userName": name}),
        idp.ask("PUT", path, user | {"userName": name}),
        idp.patch(path, {"op": "replace", "path": "userName", "value": name}),
    ):
        assert (answer.status_code, answer.json()["scimType"]) == (400, "invalidValue")
    assert idp.get(path)["userName"] == "bob@x.io"


def bulk(idp: Idp, *operations: dict[str, Any]) -> list[dict[str, Any]]:
    answer = idp.ask("POST", "/Bulk", {"schemas": [BULK], "Operations": list(operations)})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["Operations"]
    return found


def test_a_bulk_request_says_why_an_operation_is_refused(idp: Idp) -> None:
    admin = idp.get("/Users")["Resources"][0]
    off = {"op": "replace", "path": "active", "value": False}
    data = {"schemas": [PATCH], "Operations": [off]}
    patch = {"method": "PATCH", "path": f"/Users/{admin['id']}", "data": data}
    (patched, deleted) = bulk(idp, patch, {"method": "DELETE", "path": f"/Users/{admin['id']}"})

    for refused in (patched, deleted):
        assert (refused["status"], refused["response"]["status"]) == ("409", "409")
        assert "administrator" in refused["response"]["detail"]


def test_an_unexpected_error_of_a_bulk_request_is_logged(
    idp: Idp, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def delete(*_: object) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr(ScimUsers, "delete", delete)
    user = idp.user("bob@x.io")
    (failed,) = bulk(idp, {"method": "DELETE", "path": f"/Users/{user['id']}"})

    assert failed["status"] == "500"
    assert "a fault" not in str(failed)
    assert "a fault" in caplog.text


def test_an_entry_shows_what_a_change_over_scim_changes(idp: Idp) -> None:
    user = idp.user("bob@x.io", active=True)
    path = f"/Users/{user['id']}"
    made = last_entry(idp, user)
    assert (made["action"], made["after"]["role"]) == ("user.create", "read_only")

    idp.patch(path, {"op": "replace", "path": "userName", "value": "rob@x.io"})
    renamed = last_entry(idp, user)
    assert renamed["action"] == "user.update"
    assert renamed["diff"] == [{"op": "replace", "path": "/userName", "value": "rob@x.io"}]
    assert renamed["before"]["userName"] == "bob@x.io"

    idp.patch(path, {"op": "add", "path": "roles", "value": [{"value": "operator"}]})
    raised = last_entry(idp, user)
    assert raised["action"] == "user.change_role"
    assert {"op": "replace", "path": "/role", "value": "operator"} in raised["diff"]

    idp.patch(path, {"op": "replace", "path": "active", "value": False})
    ended = last_entry(idp, user)
    assert ended["action"] == "user.deactivate"
    assert {"op": "replace", "path": "/status", "value": "deactivated"} in ended["diff"]

    idp.ask("DELETE", path)
    deleted = last_entry(idp, user)
    assert (deleted["action"], deleted["after"]) == ("user.delete", None)
    assert deleted["before"]["userName"] == "rob@x.io"
