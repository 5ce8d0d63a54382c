"""Members of groups, as identity providers add and remove them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.server.scim.conftest import USER, Idp

RENAME = {"op": "Replace", "path": "displayName", "value": "renamed"}


@pytest.mark.parametrize("more", [[], [RENAME]], ids=["members alone", "and a name"])
def test_entras_members_have_null_references(idp: Idp, more: list[dict[str, Any]]) -> None:
    users = [idp.user(f"user{n}@x.io")["id"] for n in range(3)]
    path = f"/Groups/{idp.group('ops', users[:1])['id']}"
    new = [{"$ref": None, "value": user} for user in users[1:]]
    gone = [{"$ref": None, "value": user} for user in users[:2]]

    added = idp.patch(path, {"op": "Add", "path": "members", "value": new}, *more)
    assert {member["value"] for member in idp.get(path)["members"]} == set(users)
    removed = idp.patch(path, {"op": "Remove", "path": "members", "value": gone}, *more)
    assert [member["value"] for member in idp.get(path)["members"]] == users[2:]
    assert (added.status_code, removed.status_code) == (204, 204)


@pytest.mark.parametrize("member", ["Users", "Groups"])
def test_a_group_that_loses_a_deleted_member_has_another_etag(idp: Idp, member: str) -> None:
    made = idp.user("eve@x.io") if member == "Users" else idp.group("inner", [])
    path = f"/Groups/{idp.group('ops', [made['id']])['id']}"
    other = f"/Groups/{idp.group('other', [])['id']}"
    before, untouched = (idp.ask("GET", one).headers["ETag"] for one in (path, other))
    assert idp.ask("GET", path, **{"If-None-Match": before}).status_code == 304

    assert idp.ask("DELETE", f"/{member}/{made['id']}").status_code == 204

    answer = idp.ask("GET", path, **{"If-None-Match": before})
    assert (answer.status_code, answer.json().get("members", [])) == (200, [])
    assert idp.ask("GET", other, **{"If-None-Match": untouched}).status_code == 304


def test_the_etag_of_a_user_depends_on_its_groups(idp: Idp) -> None:
    user = idp.user("eve@x.io")
    path = f"/Users/{user['id']}"
    alone = idp.ask("GET", path).headers["ETag"]
    group = f"/Groups/{idp.group('ops', [user['id']])['id']}"
    joined = idp.ask("GET", path, **{"If-None-Match": alone})
    assert [one["display"] for one in joined.json()["groups"]] == ["ops"]
    assert idp.patch(group, RENAME).status_code == 204
    renamed = idp.ask("GET", path, **{"If-None-Match": joined.headers["ETag"]})
    assert [one["display"] for one in renamed.json()["groups"]] == ["renamed"]

    etag = renamed.headers["ETag"]
    assert len({alone, joined.headers["ETag"], etag}) == 3
    assert renamed.json()["meta"]["version"] == etag
    assert idp.ask("GET", path, **{"If-None-Match": etag}).status_code == 304
    briefly = idp.ask("GET", f"{path}?excludedAttributes=groups")
    assert ("groups" in briefly.json(), briefly.headers["ETag"]) == (False, etag)

    body = {"schemas": [USER], "userName": "eve@x.io", "displayName": "Eve"}
    assert idp.ask("PUT", path, body, **{"If-Match": alone}).status_code == 412
    assert idp.ask("PUT", path, body, **{"If-Match": etag}).status_code == 200
    assert idp.get(path)["groups"] == renamed.json()["groups"]
