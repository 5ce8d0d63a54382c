"""PATCH of a group's members, which reads only the members that the request names.

Identity providers add and remove members one by one, in groups of ten thousand. This module handles
operations that only add or remove members; the library handles all others, on the whole resource.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from scim2_models import InvalidValueException, PayloadTooLargeException
from scim2_server.requests import ScimRequest
from scim2_server.responses import ScimResponse

from novaql.fast_dataclass import dataclass
from novaql.server.scim.groups import ScimGroups
from novaql.server.scim.rows import etag

MOST_OPERATIONS = 100
"""Limit for the operations of one PATCH or bulk request."""

_PATH = re.compile(r"/Groups/([^/]+)")
_ONE = re.compile(r'members\[\s*value\s+eq\s+"([^"\\]*)"\s*\]', re.IGNORECASE)
_PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


@dataclass(frozen=True, slots=True)
class MemberChange:
    """Members to add or to remove."""

    adds: bool
    members: Sequence[dict[str, Any]]


def member_changes(scim_request: ScimRequest, body: Any) -> tuple[str, list[MemberChange]] | None:
    """Parse a PATCH of members: id of the group, and changes; None for any other request."""
    path = _PATH.fullmatch(scim_request.path)
    if (
        scim_request.method != "PATCH"
        or path is None
        or scim_request.query
        or scim_request.header("If-Match")
    ):
        return None
    if not isinstance(body, dict) or body.get("schemas") != [_PATCH]:
        return None
    operations = body.get("Operations")
    if not isinstance(operations, list) or not operations:
        return None
    found = [_change(operation) for operation in operations]
    changes = [change for change in found if change is not None]
    return (path[1], changes) if len(changes) == len(found) else None


def check_operations(method: str, body: Any) -> None:
    """Reject too many operations before the library validates them, which takes milliseconds or
    processes a whole resource for each. Raises SCIM's 413 for a bulk request, 400 for a PATCH."""
    operations = _operations_of(body)
    if method == "POST":
        inside = sum(len(_operations_of(_member(one, "data"))) for one in operations)
        if len(operations) > MOST_OPERATIONS or inside > 10 * MOST_OPERATIONS:
            raise PayloadTooLargeException(
                detail=f"{len(operations)} operations with {inside} inside; at most "
                f"{MOST_OPERATIONS} (maxOperations) with {10 * MOST_OPERATIONS} are taken"
            )
    elif method == "PATCH" and len(operations) > MOST_OPERATIONS:
        raise InvalidValueException(
            detail=f"{len(operations)} operations; at most {MOST_OPERATIONS} are taken, "
            "but for those that add or remove members"
        )


def _operations_of(body: Any) -> list[Any]:
    found = _member(body, "operations")
    return found if isinstance(found, list) else []


def _member(body: Any, name: str) -> Any:
    """A member of an object. Names of attributes are case-insensitive (RFC 7643 2.1)."""
    if not isinstance(body, dict):
        return None
    return next((value for key, value in body.items() if key.casefold() == name), None)


def change_members(
    groups: ScimGroups, group_id: str, changes: Sequence[MemberChange]
) -> ScimResponse:
    """Apply the last change of each member. Ignores additions of present members, and removals of
    absent ones."""
    last = {str(m["value"]): (change.adds, m) for change in changes for m in change.members}
    row = groups.get(group_id, lock=True)
    present = groups.present(group_id, last)
    added = {key for key, (adds, _) in last.items() if adds and key not in present}
    removed = {key for key, (adds, _) in last.items() if not adds and key in present}
    groups.remove_members(group_id, removed)
    groups.add_members(group_id, [last[key][1] for key in sorted(added)])
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
