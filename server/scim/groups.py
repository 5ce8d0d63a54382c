"""Convert rows of groups and members to SCIM resources, and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from scim2_models import InvalidValueException, Resource
from sqlalchemy import ColumnElement, Select, delete, select

from novaql.server.auth.user_access import DELETED
from novaql.server.db.batches import batches
from novaql.server.db.tables import User
from novaql.server.db.tenant_limits import check_limit
from novaql.server.scim.rows import Related, ScimRows, check_length, check_name, given_attributes
from novaql.server.scim.tables import ScimGroup, ScimMember
from novaql.text import excerpt


class ScimGroups(ScimRows[ScimGroup]):
    """The groups of a unit's tenant."""

    name, related, related_in_etag = "Group", "members", False

    def all(self) -> Select[ScimGroup]:
        """Every group."""
        return select(ScimGroup).order_by(ScimGroup.id)

    def equality(self, attribute: str, value: str) -> ColumnElement[bool] | None:
        """The SQL condition for `attribute eq value`; None: no column stores the attribute."""
        match attribute.lower():
            case "displayname":
                return ScimGroup.name_key == value.casefold()
            case "id":
                return ScimGroup.id == value
            case _:
                return None

    def create(self, resource: Resource[Any]) -> ScimGroup:
        """Create a group with its members."""
        check_limit(self.unit, "max_user_groups", ScimGroup)
        row = self.unit.new(ScimGroup, "grp")
        attributes, members = _parts(resource)
        _fill(row, attributes)
        self.unit.session.add(row)
        self.unit.session.flush()
        self.add_members(row.id, members.values())
        after = attributes | {"members_added": list(members)[:100]}
        self.unit.record(row, "group.create", None, lambda _: after)
        return row

    def update(self, resource: Resource[Any], expected: str | None) -> ScimGroup:
        """Replace the state of a group. Rows of unchanged members do not change."""
        row = self.locked(str(resource.id), expected)
        attributes, members = _parts(resource)
        before = dict(row.attributes)
        _fill(row, attributes)
        here = select(ScimMember.member_id).where(ScimMember.group_id == row.id)
        present = set(self.unit.session.execute(here).scalars())
        added, removed = members.keys() - present, present - members.keys()
        self.remove_members(row.id, removed)
        self.add_members(row.id, [members[key] for key in added])
        self.changed(row, before, attributes, added=added, removed=removed)
        return row

    def changed(
        self,
        row: ScimGroup,
        before: dict[str, Any],
        after: dict[str, Any],
        *,
        added: Iterable[str],
        removed: Iterable[str],
    ) -> None:
        """Increment the row version and write an audit entry, with at most 100 added and 100
        removed members."""
        came, went = sorted(added)[:100], sorted(removed)[:100]
        before = before | ({"members_removed": went} if went else {})
        after = after | ({"members_added": came} if came else {})
        self.unit.record(row, "group.update", before, lambda _: after)

    def delete(self, resource_id: str, expected: str | None) -> None:
        """Delete a group, and its memberships."""
        row = self.locked(resource_id, expected)
        self.unit.audit("group.delete", ("group", row.id), before=row.attributes)
        session = self.unit.session
        session.execute(delete(ScimMember).where(ScimMember.group_id == row.id))
        self.leave_groups(row.id)
        session.delete(row)

    def add_members(self, group_id: str, members: Iterable[dict[str, Any]]) -> None:
        """Add members, which must be distinct and not yet in the group.

        Raises SCIM's `invalidValue` for an id that is neither a user nor a group of the tenant.
        """
        members = list(members)
        for member in members:
            check_length("members.value", str(member["value"]))
        check_limit(self.unit, "max_group_members", ScimMember, adds=len(members))
        self._need_all({str(member["value"]) for member in members})
        self.unit.insert(
            ScimMember,
            [
                {
                    "group_id": group_id,
                    "member_id": str(member["value"]),
                    "attributes": {k: v for k, v in member.items() if k not in ("value", "$ref")},
                }
                for member in members
            ],
        )

    def _need_all(self, ids: Iterable[str]) -> None:
        for some in batches(sorted(ids)):
            known: set[str] = set()
            for rows in (
                select(User.id).where(User.id.in_(some), User.email_key.not_like(f"{DELETED}%")),
                select(ScimGroup.id).where(ScimGroup.id.in_(some)),
            ):
                known |= set(self.unit.session.execute(rows).scalars())
            if missing := [one for one in some if one not in known]:
                raise InvalidValueException(
                    detail=f"members: there is no User or Group with id {excerpt(missing[0])}"
                )

    def remove_members(self, group_id: str, ids: Iterable[str]) -> None:
        """Remove members. Ignores ids that are not in the group."""
        here = delete(ScimMember).where(ScimMember.group_id == group_id)
        for some in batches(sorted(ids)):
            self.unit.session.execute(here.where(ScimMember.member_id.in_(some)))

    def present(self, group_id: str, ids: Iterable[str]) -> set[str]:
        """The ids that are members of the group."""
        here = select(ScimMember.member_id).where(ScimMember.group_id == group_id)
        found: set[str] = set()
        for some in batches(sorted(ids)):
            rows = self.unit.session.execute(here.where(ScimMember.member_id.in_(some)))
            found |= set(rows.scalars())
        return found

    def related_to(self, ids: Sequence[str]) -> Related:
        """The members of groups."""
        found: Related = {}
        rows = self.unit.session.execute(
            select(ScimMember)
            .where(ScimMember.group_id.in_(ids))
            .order_by(ScimMember.group_id, ScimMember.member_id)
        ).scalars()
        for member in rows:
            kind = "Groups" if member.member_id.startswith("grp_") else "Users"
            shown = {
                **member.attributes,
                "value": member.member_id,
                "$ref": f"{kind}/{member.member_id}",
            }
            found.setdefault(member.group_id, []).append(shown)
        return found

    def attributes_of(self, row: ScimGroup) -> dict[str, Any]:
        """The attributes in a row."""
        return row.attributes


def _parts(resource: Resource[Any]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """The attributes of a group, and its members by id."""
    attributes = given_attributes(resource)
    members = attributes.pop("members", ())
    return attributes, {str(m["value"]): m for m in members if m.get("value")}


def _fill(row: ScimGroup, attributes: dict[str, Any]) -> None:
    check_name("displayName", attributes.get("displayName"))
    row.name_key = str(attributes["displayName"]).casefold()
    row.attributes = attributes
