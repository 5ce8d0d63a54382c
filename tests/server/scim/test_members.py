"""Members of groups, as identity providers add and remove them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.server.scim.conftest import Idp

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
