"""What Entra and Okta really send, and what they expect back."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from sqlalchemy import event, insert

from novaql.server.auth.bootstrap import add_admin
from novaql.server.auth.roles import Role
from novaql.server.clock import SystemClock
from novaql.server.db.tables import User
from novaql.server.scim import provider
from tests.server.scim.conftest import USER, Idp

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


def with_token(idp: Idp, user: dict[str, Any]) -> dict[str, str]:
    """A working token of a provisioned user."""
    database = idp.server.context.database
    made = add_admin(
        database, SystemClock(), idp.tenant_id, email=user["userName"], role=Role.READ_ONLY
    )
    return {"Authorization": f"Bearer {made.secret}"}


def use(idp: Idp, bearer: dict[str, str]) -> int:
    return idp.server.client.get("/api/v1/labels", headers=bearer).status_code


def test_first_requests_at_once_are_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[object] = []

    def build(**given: Any) -> object:
        built.append(given)
        time.sleep(0.05)
        return object()

    monkeypatch.setattr("scim2_models.ScimProvider.from_discovery", build)
    monkeypatch.setattr(provider, "ScimService", lambda made: made)
    provider._built.cache_clear()
    with ThreadPoolExecutor(6) as pool:
        services = set(pool.map(lambda _: provider.scim_service(), range(6)))
    provider._built.cache_clear()

    assert len(built) == len(services) == 1


ENDS: dict[str, dict[str, Any]] = {
    "Entra: capitalised, a text": {"op": "Replace", "path": "active", "value": "False"},
    "Okta: no path": {"op": "replace", "value": {"active": False}},
    "RFC": {"op": "replace", "path": "active", "value": False},
    "odd case": {"op": "replace", "path": "Active", "value": False},
}


@pytest.mark.parametrize("operation", ENDS.values(), ids=ENDS.keys())
def test_deactivation_ends_every_token_and_the_user_stays_readable(
    idp: Idp, operation: dict[str, Any]
) -> None:
    user = idp.user("bob@x.io")
    bearer = with_token(idp, user)
    before = use(idp, bearer)
    answer = idp.patch(f"/Users/{user['id']}", operation)
    after = use(idp, bearer)

    assert (before, answer.status_code in (200, 204), after) == (200, True, 401)
    assert idp.get(f"/Users/{user['id']}")["active"] is False
    idp.patch(f"/Users/{user['id']}", {"op": "replace", "path": "active", "value": True})
    assert idp.get(f"/Users/{user['id']}")["active"] is True
    assert use(idp, bearer) == 401  # a token that was revoked stays so


def test_okta_ends_users_by_put(idp: Idp) -> None:
    user = idp.user("bob@x.io", externalId="00u1")
    bearer = with_token(idp, user)
    put = idp.ask("PUT", f"/Users/{user['id']}", user | {"active": False})

    assert (put.status_code, put.json()["active"], use(idp, bearer)) == (200, False, 401)
    assert put.json()["externalId"] == "00u1"


def test_entras_paths_and_dotted_keys(idp: Idp) -> None:
    user = idp.user("bob@x.io")
    done = idp.patch(
        f"/Users/{user['id']}",
        {"op": "Add", "path": f"{ENTERPRISE}:department", "value": "Sales"},
        {"op": "Replace", "value": {"name.givenName": "Bob", "DisplayName": "Bob B."}},
    )
    found = idp.get(f"/Users/{user['id']}")

    assert done.status_code in (200, 204)
    assert found[ENTERPRISE]["department"] == "Sales"
    assert found["name"]["givenName"] == "Bob"
    assert found["displayName"] == "Bob B."


def test_entras_values_that_are_not_there_yet(idp: Idp) -> None:
    """A filter that matches nothing describes what is to be made."""
    path = f"/Users/{idp.user('bob@x.io')['id']}"
    done = idp.patch(
        path,
        {"op": "Add", "path": 'phoneNumbers[type eq "mobile"].value', "value": "+49 1"},
        {"op": "Add", "path": 'addresses[type eq "work"].formatted', "value": "Street 1"},
        {"op": "Add", "path": 'roles[primary eq "True"].value', "value": "Admin"},
        {"op": "Replace", "path": 'emails[type eq "work"].value', "value": "bob@work.io"},
    )
    found = idp.get(path)

    assert done.status_code in (200, 204), done.text
    assert found["phoneNumbers"] == [{"type": "mobile", "value": "+49 1"}]
    assert found["addresses"] == [{"type": "work", "formatted": "Street 1"}]
    assert found["roles"] == [{"primary": True, "value": "Admin"}]
    assert found["emails"] == [{"type": "work", "value": "bob@work.io"}]
    idp.patch(path, {"op": "Replace", "path": 'emails[type eq "work"].value', "value": "b@w.io"})
    assert idp.get(path)["emails"] == [{"type": "work", "value": "b@w.io"}]


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "Add", "path": f"{ENTERPRISE}:manager", "value": "m2"},
        {"op": "Replace", "path": f"{ENTERPRISE}:manager", "value": {"value": "m2"}},
        {"op": "Replace", "value": {f"{ENTERPRISE}:manager": "m2"}},
    ],
)
def test_entras_manager(idp: Idp, operation: dict[str, Any]) -> None:
    path = f"/Users/{idp.user('bob@x.io')['id']}"
    done = idp.patch(path, operation)

    assert done.status_code in (200, 204), done.text
    assert idp.get(path)[ENTERPRISE]["manager"] == {"value": "m2"}
    assert idp.patch(path, {"op": "Remove", "path": f"{ENTERPRISE}:manager"}).status_code == 204
    assert "manager" not in idp.get(path).get(ENTERPRISE, {})


def test_entras_keys_that_are_paths(idp: Idp) -> None:
    user = idp.user("bob@x.io")
    done = idp.patch(
        f"/Users/{user['id']}",
        {
            "op": "replace",
            "value": {
                "active": "False",
                "name.familyName": "B",
                'emails[type eq "work"].value': "bob@work.io",
                f"{ENTERPRISE}:department": "Sales",
            },
        },
    )
    found = idp.get(f"/Users/{user['id']}")

    assert done.status_code in (200, 204), done.text
    assert (found["active"], found["name"]["familyName"]) == (False, "B")
    assert found["emails"] == [{"type": "work", "value": "bob@work.io"}]
    assert found[ENTERPRISE]["department"] == "Sales"


def test_a_wrong_value_is_told_in_plain_words(idp: Idp) -> None:
    path = f"/Users/{idp.user('bob@x.io')['id']}"
    answer = idp.patch(path, {"op": "replace", "path": f"{ENTERPRISE}:manager", "value": 7})

    assert (answer.status_code, answer.json()["scimType"]) == (400, "invalidValue")
    assert "manager" in answer.json()["detail"]
    assert "pydantic" not in answer.text
    assert "type=" not in answer.text


def test_a_patch_with_paths_in_keys_is_whole_or_not_at_all(idp: Idp) -> None:
    user = idp.user("bob@x.io", displayName="Bob")
    value = {"displayName": "Robert", 'nothing[type eq "x"].value': 1}
    answer = idp.patch(f"/Users/{user['id']}", {"op": "replace", "value": value})

    assert answer.status_code == 400
    assert idp.get(f"/Users/{user['id']}")["displayName"] == "Bob"


def test_oktas_connection_test_and_look_up(idp: Idp) -> None:
    user = idp.user("Bob@X.io")
    page = idp.get("/Users?startIndex=1&count=2")
    found = idp.get('/Users?filter=userName eq "BOB@x.IO"')

    assert page["totalResults"] == 2
    assert [row["id"] for row in found["Resources"]] == [user["id"]]


def test_names_are_unique_whatever_their_case(idp: Idp) -> None:
    idp.user("bob@x.io")
    again = idp.ask("POST", "/Users", {"schemas": [USER], "userName": "BOB@X.IO"})

    assert (again.status_code, again.json()["scimType"]) == (409, "uniqueness")
    assert again.json()["status"] == "409"


@pytest.mark.parametrize(
    "wanted",
    ['nonsense eq "x"', "userName eq", 'userName xx "x"', 'userName eq "a" or', "((("],
)
def test_filters_that_are_none(idp: Idp, wanted: str) -> None:
    answer = idp.ask("GET", f"/Users?filter={httpx.QueryParams({'f': wanted})['f']}")

    assert (answer.status_code, answer.json()["scimType"]) == (400, "invalidFilter")


def test_filters_are_parsed_and_never_part_of_a_statement(idp: Idp) -> None:
    idp.user("bob@x.io")
    for text in (r'userName eq "a\" or \"1\"=\"1"', 'userName eq "\' OR 1=1 --"'):
        answer = idp.ask("GET", f"/Users?filter={httpx.QueryParams({'f': text})['f']}")
        assert answer.status_code == 200, answer.text
        assert answer.json()["totalResults"] == 0


def test_pages(idp: Idp) -> None:
    for number in range(5):
        idp.user(f"user{number}@x.io")
    first = idp.get("/Users?startIndex=0&count=2")
    nothing = idp.get("/Users?count=0")
    everything = idp.get("/Users?count=100000")
    pages = [idp.get(f"/Users?startIndex={start}&count=2") for start in (1, 3, 5)]
    seen = [row["id"] for page in pages for row in page["Resources"]]

    assert (first["startIndex"], first["itemsPerPage"]) == (1, 2)
    assert nothing["totalResults"] == 6
    assert not nothing.get("Resources")
    assert len(everything["Resources"]) == 6
    assert len(set(seen)) == len(seen) == 6


def test_a_patch_is_whole_or_not_at_all(idp: Idp) -> None:
    user = idp.user("bob@x.io", displayName="Bob")
    answer = idp.patch(
        f"/Users/{user['id']}",
        {"op": "replace", "path": "displayName", "value": "changed"},
        {"op": "replace", "path": "no.such.attribute", "value": 1},
    )

    assert answer.status_code == 400
    assert idp.get(f"/Users/{user['id']}")["displayName"] == "Bob"


def test_members_come_and_go(idp: Idp) -> None:
    users = [idp.user(f"user{n}@x.io")["id"] for n in range(3)]
    group = idp.group("ops", users[:2])
    path = f"/Groups/{group['id']}"
    added = idp.patch(path, {"op": "add", "path": "members", "value": [{"value": users[2]}]})
    gone = {"op": "remove", "path": f'members[value eq "{users[0]}"]'}
    first, second = idp.patch(path, gone), idp.patch(path, gone)
    entra = idp.patch(path, {"op": "Remove", "path": "members", "value": [{"value": users[1]}]})
    left = [member["value"] for member in idp.get(path)["members"]]

    assert {a.status_code for a in (added, first, second, entra)} <= {200, 204}
    assert left == [users[2]]
    assert [g["value"] for g in idp.get(f"/Users/{users[2]}")["groups"]] == [group["id"]]
    assert "groups" not in idp.get(f"/Users/{users[0]}")
    assert "members" not in idp.get(f"{path}?excludedAttributes=members")


@pytest.mark.slow
def test_a_large_group_is_changed_without_its_other_members(idp: Idp) -> None:
    """Ten thousand members: one more is a few statements, whatever is there."""
    people = [f"usr_{number:026}" for number in range(10_000)]
    now = idp.server.context.clock.now()
    known = {"tenant_id": idp.tenant_id, "created_at": now, "updated_at": now, "version": 1}
    known |= {"name": "n", "role": "read_only", "status": "active"}
    with idp.server.context.database.engine.begin() as connection:
        rows = [
            {"id": key, "email": f"{key}@x", "email_key": f"{key}@x", **known} for key in people
        ]
        connection.execute(insert(User), rows)
    group = idp.group("everyone", people[:-1])
    path = f"/Groups/{group['id']}"
    statements = []
    engine = idp.server.context.database.engine
    event.listen(engine, "before_cursor_execute", lambda *found: statements.append(found[2]))
    done = idp.patch(path, {"op": "add", "path": "members", "value": [{"value": people[-1]}]})
    gone = idp.patch(path, {"op": "remove", "path": f'members[value eq "{people[0]}"]'})

    assert (done.status_code, gone.status_code) == (204, 204)
    assert len(statements) < 60
    members = {member["value"] for member in idp.get(path)["members"]}
    assert members == set(people[1:])


def test_the_last_administrator_cannot_be_ended(idp: Idp) -> None:
    admin = idp.get("/Users")["Resources"][0]
    for answer in (
        idp.patch(f"/Users/{admin['id']}", ENDS["RFC"]),
        idp.ask("DELETE", f"/Users/{admin['id']}"),
    ):
        assert answer.status_code == 409
        assert answer.headers["content-type"] == "application/scim+json"
    assert use(idp, {"Authorization": f"Bearer {idp.token}"}) == 200


def test_deleted_users_are_gone_and_their_name_is_free(idp: Idp) -> None:
    user = idp.user("bob@x.io")
    statuses = [idp.ask("DELETE", f"/Users/{user['id']}").status_code for _ in range(2)]

    assert statuses == [204, 404]
    assert idp.ask("GET", f"/Users/{user['id']}").status_code == 404
    assert idp.user("bob@x.io")["id"] != user["id"]


def test_errors_are_scims_own_and_carry_the_request_id(idp: Idp) -> None:
    answers = [
        idp.ask("GET", "/Users/usr_nobody"),
        idp.ask("GET", "/Nothing"),
        idp.ask("POST", "/Users", {"schemas": [USER]}),
        idp.ask("GET", "/Users", None, Authorization="Bearer nova_admin_wrong"),
        idp.ask("DELETE", "/Schemas"),
    ]
    assert [answer.status_code for answer in answers] == [404, 404, 400, 401, 405]
    for answer in answers:
        assert answer.json()["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
        assert answer.json()["status"] == str(answer.status_code)
        assert answer.headers["x-request-id"].startswith("req_")
        assert answer.headers["content-type"] == "application/scim+json"
    plain = idp.ask("GET", "/Users", None, Accept="application/json")
    assert plain.status_code == 200


def test_a_scim_token_opens_scim_and_nothing_else(idp: Idp) -> None:
    bearer = {"Authorization": f"Bearer {idp.token}"}
    body = {"name": "idp", "role": "admin", "purpose": "scim"}
    made = idp.server.client.post("/v1/tokens", json=body, headers=bearer).json()
    scim = {"Authorization": f"Bearer {made['token']}"}

    assert made["token"].startswith("nova_scim_")
    assert idp.server.client.get("/scim/v2/Users", headers=scim).status_code == 200
    for path in ("/v1/users", "/v1/tokens", "/api/v1/labels"):
        assert idp.server.client.get(path, headers=scim).status_code == 403


def test_tenants_are_strangers(idp: Idp, both: Any) -> None:
    user = idp.user("bob@x.io")
    other = Idp(both, both.tokens[Role.ADMIN], both.context.access.default_principal.tenant_id)
    theirs = other.ask("GET", f"/Users/{user['id']}")

    assert theirs.status_code == 404
    assert other.patch(f"/Users/{user['id']}", ENDS["RFC"]).status_code == 404
    assert other.get('/Users?filter=userName eq "bob@x.io"')["totalResults"] == 0
    assert other.user("bob@x.io")["id"] != user["id"]


def test_locations_follow_the_mount(idp: Idp) -> None:
    for base in ("/scim/v2", "/v1/scim/v2"):
        idp.base = base
        user = idp.user(f"bob{len(base)}@x.io")
        assert user["meta"]["location"].endswith(f"{base}/Users/{user['id']}")


def test_a_failed_operation_of_a_bulk_request_leaves_the_others(idp: Idp) -> None:
    def post(name: str, bulk_id: str) -> dict[str, Any]:
        data = {"schemas": [USER], "userName": name}
        return {"method": "POST", "path": "/Users", "bulkId": bulk_id, "data": data}

    body = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": [post("a@x.io", "1"), post("a@x.io", "2"), post("b@x.io", "3")],
    }
    answer = idp.ask("POST", "/Bulk", body)
    statuses = [operation["status"] for operation in answer.json()["Operations"]]

    assert statuses == ["201", "409", "201"]
    assert idp.get("/Users")["totalResults"] == 3


@pytest.mark.parametrize("name", ["", " ", "\t\n"])
def test_names_are_not_blank(idp: Idp, name: str) -> None:
    """RFC 7643 4.1.1 and 4.2."""
    user, group = idp.user("bob@x.io"), idp.group("g", [])
    for path, resource, attribute in (
        ("/Users", user, "userName"),
        ("/Groups", group, "displayName"),
    ):
        here, total = f"{path}/{resource['id']}", idp.get(path)["totalResults"]
        replace = {"op": "replace", "path": attribute, "value": name}
        for answer in (
            idp.ask("POST", path, {"schemas": resource["schemas"], attribute: name}),
            idp.ask("PUT", here, resource | {attribute: name}),
            idp.patch(here, replace),
            idp.patch(here, {"op": "replace", "value": {attribute: name}}),
        ):
            assert answer.status_code == 400, answer.text
            assert answer.json()["scimType"] == "invalidValue"
        assert idp.get(here)[attribute] == resource[attribute]
        assert idp.get(path)["totalResults"] == total
