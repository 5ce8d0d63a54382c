"""Convert rows of groups and members to SCIM resources, and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from scim2_models import (
    Context,
    InvalidValueException,
    NotFoundException,
    PreconditionFailedException,
    Resource,
)
from sqlalchemy import ColumnElement, Select, delete, select

from novaql.server.db.tables import User
from novaql.server.db.tenant_limits import check_limit
from novaql.server.db.unit import Unit
from novaql.server.ids import new_id
from novaql.server.scim.tables import ScimGroup, ScimMember
from novaql.server.scim.users import GONE, check_length, etag, meta
from novaql.text import excerpt

_OWN = ("id", "meta", "members", "schemas")


class ScimGroups:
    """The groups of a unit's tenant."""

    name = "Group"

    def __init__(self, unit: Unit, model: type[Resource[Any]]) -> None:
        self.unit = unit
        self._model = model

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

    def shown(self, rows: list[ScimGroup], *, members: bool = True) -> list[Resource[Any]]:
        """Convert rows to resources. members: include the members"""
        found = self._members([row.id for row in rows]) if members else {}
        return [self._shown(row, found.get(row.id, [])) for row in rows]

    def get(self, resource_id: str, *, lock: bool = False) -> ScimGroup:
        """Load a row. Raises SCIM's 404."""
        statement = self.all().where(ScimGroup.id == resource_id)
        if lock:
            statement = statement.with_for_update()
        row = self.unit.session.execute(statement).scalar_one_or_none()
        if row is None:
            raise NotFoundException(detail=f"there is no Group with id {resource_id}")
        return row

    def create(self, resource: Resource[Any]) -> ScimGroup:
        """Create a group with its members."""
        check_limit(self.unit, "max_user_groups", ScimGroup)
        now = self.unit.now()
        row = ScimGroup(id=new_id("grp"), created_at=now, updated_at=now, version=1)
        attributes, members = _parts(resource)
        _fill(row, attributes)
        self.unit.session.add(row)
        self.unit.session.flush()
        self.add_members(row.id, members)
        self.unit.audit(
            "group.create", ("group", row.id), after=_representation(attributes, members)
        )
        return row

    def update(self, resource: Resource[Any], expected: str | None) -> ScimGroup:
        """Replace the state of a group. Rows of unchanged members stay as they are."""
        row = self.get(str(resource.id), lock=True)
        if expected is not None and expected != etag(row.version):
            raise PreconditionFailedException
        attributes, members = _parts(resource)
        before = dict(row.attributes)
        _fill(row, attributes)
        wanted = {str(member["value"]): member for member in members}
        present = set(
            self.unit.session.execute(
                select(ScimMember.member_id).where(ScimMember.group_id == row.id)
            ).scalars()
        )
        self.remove_members(row.id, present - wanted.keys())
        self.add_members(row.id, [wanted[key] for key in wanted.keys() - present])
        self.changed(
            row, before, attributes, added=wanted.keys() - present, removed=present - wanted.keys()
        )
        return row

    def changed(
        self,
        row: ScimGroup,
        before: dict[str, Any],
        after: dict[str, Any],
        *,
        added: Iterable[str] = (),
        removed: Iterable[str] = (),
    ) -> None:
        """Increment the row version and write an audit entry, with at most 100 added and 100
        removed members."""
        self.unit.touch(row)
        came, went = sorted(added)[:100], sorted(removed)[:100]
        self.unit.audit(
            "group.update",
            ("group", row.id),
            before=before | ({"members_removed": went} if went else {}),
            after=after | ({"members_added": came} if came else {}),
        )

    def delete(self, resource_id: str, expected: str | None) -> None:
        """Delete a group, and its memberships."""
        row = self.get(resource_id, lock=True)
        if expected is not None and expected != etag(row.version):
            raise PreconditionFailedException
        self.unit.audit("group.delete", ("group", row.id), before=row.attributes)
        session = self.unit.session
        session.execute(delete(ScimMember).where(ScimMember.group_id == row.id))
        session.execute(delete(ScimMember).where(ScimMember.member_id == row.id))
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

    def _need_all(self, ids: set[str]) -> None:
        wanted = sorted(ids)
        for begin in range(0, len(wanted), 500):
            some = wanted[begin : begin + 500]
            known: set[str] = set()
            for rows in (
                select(User.id).where(User.id.in_(some), User.email_key.not_like(f"{GONE}%")),
                select(ScimGroup.id).where(ScimGroup.id.in_(some)),
            ):
                known |= set(self.unit.session.execute(rows).scalars())
            if missing := [one for one in some if one not in known]:
                raise InvalidValueException(
                    detail=f"members: there is no User or Group with id {excerpt(missing[0])}"
                )

    def remove_members(self, group_id: str, ids: Iterable[str]) -> None:
        """Remove members. Ignores ids that are not in the group."""
        wanted = sorted(ids)
        for begin in range(0, len(wanted), 500):
            self.unit.session.execute(
                delete(ScimMember).where(
                    ScimMember.group_id == group_id,
                    ScimMember.member_id.in_(wanted[begin : begin + 500]),
                )
            )

    def present(self, group_id: str, ids: Iterable[str]) -> set[str]:
        """The ids that are members of the group."""
        found: set[str] = set()
        wanted = sorted(ids)
        for begin in range(0, len(wanted), 500):
            found |= set(
                self.unit.session.execute(
                    select(ScimMember.member_id).where(
                        ScimMember.group_id == group_id,
                        ScimMember.member_id.in_(wanted[begin : begin + 500]),
                    )
                ).scalars()
            )
        return found

    def _members(self, ids: list[str]) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = {}
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

    def _shown(self, row: ScimGroup, members: list[dict[str, Any]]) -> Resource[Any]:
        attributes = {**row.attributes, **({"members": members} if members else {})}
        resource = self._model.model_validate(attributes)
        resource.id = row.id
        resource.meta = meta(self.name, row)
        return resource


def _parts(resource: Resource[Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    dumped = resource.model_dump(scim_ctx=Context.DEFAULT, mode="json", exclude_none=True)
    members = {str(m["value"]): m for m in dumped.get("members", ()) if m.get("value")}
    attributes = {name: value for name, value in dumped.items() if name not in _OWN}
    return attributes, list(members.values())


def _fill(row: ScimGroup, attributes: dict[str, Any]) -> None:
    check_length("displayName", attributes.get("displayName"))
    row.name_key = str(attributes.get("displayName", "")).casefold()
    row.attributes = attributes


def _representation(attributes: dict[str, Any], members: list[dict[str, Any]]) -> dict[str, Any]:
    return attributes | {"members_added": [str(m["value"]) for m in members[:100]]}
