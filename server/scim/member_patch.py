"""PATCH of a group's members, without the members that it does not name.

Identity providers add and remove people one by one, in groups of ten thousand. What is no plain
adding or removing of members is left to the library, which works on the whole resource.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from scim2_server.requests import ScimRequest
from scim2_server.responses import ScimResponse

from server.scim.groups import ScimGroups
from server.scim.users import etag

_PATH = re.compile(r"/Groups/([^/]+)")
_ONE = re.compile(r'members\[\s*value\s+eq\s+"([^"\\]*)"\s*\]', re.IGNORECASE)
_PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


@dataclass(frozen=True, slots=True)
class MemberChange:
    """Members to add or to remove."""

    adds: bool
    members: Sequence[dict[str, Any]]


def member_changes(asked: ScimRequest) -> tuple[str, list[MemberChange]] | None:
    """The group and what happens to its members; None if the request is anything else."""
    path = _PATH.fullmatch(asked.path)
    if asked.method != "PATCH" or path is None or asked.query or asked.header("If-Match"):
        return None
    try:
        body = json.loads(asked.body)
    except ValueError:
        return None
    if not isinstance(body, dict) or body.get("schemas") != [_PATCH]:
        return None
    operations = body.get("Operations")
    if not isinstance(operations, list) or not operations:
        return None
    found = [_change(operation) for operation in operations]
    changes = [change for change in found if change is not None]
    return (path[1], changes) if len(changes) == len(found) else None


def change_members(
    groups: ScimGroups, group_id: str, changes: Sequence[MemberChange]
) -> ScimResponse:
    """Make the changes. Who is a member already is not added, who is none is not removed."""
    row = groups.get(group_id, lock=True)
    added: set[str] = set()
    removed: set[str] = set()
    for change in changes:
        named = {str(member["value"]): member for member in change.members}
        present = groups.present(group_id, named)
        if change.adds:
            fresh = [named[key] for key in named.keys() - present]
            groups.add_members(group_id, fresh)
            added |= named.keys() - present
        else:
            groups.remove_members(group_id, present)
            removed |= present
    if added or removed:
        groups.changed(row, row.attributes, row.attributes, added=added, removed=removed)
    return ScimResponse(HTTPStatus.NO_CONTENT, headers={"ETag": etag(row.version)})


def _change(operation: Any) -> MemberChange | None:
    if not isinstance(operation, dict):
        return None
    kind, path = str(operation.get("op", "")).lower(), operation.get("path")
    value = operation.get("value")
    if path is None and isinstance(value, dict) and list(value) == ["members"]:
        path, value = "members", value["members"]
    if not isinstance(path, str) or kind not in ("add", "remove"):
        return None
    if kind == "remove" and value is None and (one := _ONE.fullmatch(path)) is not None:
        return MemberChange(adds=False, members=[{"value": one[1]}])
    members: list[Any] = value if isinstance(value, list) else [value]
    if path.lower() != "members" or not all(_is_member(member) for member in members):
        return None
    return MemberChange(adds=kind == "add", members=members)


def _is_member(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("value"), str)
        and value.keys() <= {"value", "display", "type", "$ref"}
        and all(isinstance(inside, str) for inside in value.values())
    )
