"""Convert rows of users to SCIM resources, and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from scim2_models import InvalidValueException, Resource, UniquenessException
from sqlalchemy import ColumnElement, Select, select

from novaql.server.auth.roles import Role
from novaql.server.auth.user_access import (
    ACTIVE,
    DEACTIVATED,
    DELETED,
    check_new_user,
    hold_access,
    is_deleted,
    set_access,
)
from novaql.server.db.engine import flushed_or
from novaql.server.db.tables import User
from novaql.server.db.unit import Unit
from novaql.server.errors import Conflict
from novaql.server.scim.rows import (
    MOST_NAME,
    Related,
    ScimRows,
    check_length,
    check_name,
    given_attributes,
)
from novaql.server.scim.tables import ScimGroup, ScimMember

_ROLES = frozenset(Role)


class ScimUsers(ScimRows[User]):
    """The users of a unit's tenant."""

    name, related, related_in_etag = "User", "groups", True

    def all(self) -> Select[User]:
        """The users that SCIM shows: all that were not deleted over SCIM."""
        return select(User).where(User.email_key.not_like(f"{DELETED}%")).order_by(User.id)

    def equality(self, attribute: str, value: str) -> ColumnElement[bool] | None:
        """The SQL condition for `attribute eq value`; None: no column stores the attribute."""
        match attribute.lower():
            case "username":
                return User.email_key == value.casefold()
            case "externalid":
                return User.external_id == value
            case "id":
                return User.id == value
            case _:
                return None

    def locked(self, resource_id: str, expected: str | None) -> User:
        """Hold the access of users, and lock a user."""
        hold_access(self.unit)
        return super().locked(resource_id, expected)

    def create(self, resource: Resource[Any]) -> User:
        """Create a user without a token, active unless the resource has `active` false."""
        check_new_user(self.unit)
        attributes = given_attributes(resource)
        row = self.unit.new(
            User,
            "usr",
            role=_role(attributes) or Role.READ_ONLY.value,
            status=ACTIVE if attributes.get("active", True) else DEACTIVATED,
        )
        _fill(row, attributes)
        with _unique(self.unit):
            self.unit.session.add(row)
        self.unit.record(row, "user.create", None, self._recorded)
        return row

    def update(self, resource: Resource[Any], expected: str | None) -> User:
        """Replace the state of a user."""
        row = self.locked(str(resource.id), expected)
        before = self._recorded(row)
        attributes = given_attributes(resource)
        # A provider that has named a role and no longer does has withdrawn it.
        role = _role(attributes) or (Role.READ_ONLY.value if _role(before) else row.role)
        status = row.status
        if not attributes.get("active", True):
            status = DEACTIVATED
        elif row.status == DEACTIVATED:
            status = ACTIVE
        with _unique(self.unit):
            _fill(row, attributes)
        action = "user.change_role" if role != row.role else "user.update"
        if status == DEACTIVATED != row.status:
            action = "user.deactivate"
        set_access(self.unit, row, role=role, status=status)
        self.unit.record(row, action, before, self._recorded)
        return row

    def delete(self, resource_id: str, expected: str | None) -> None:
        """Delete a user permanently. The row remains, since entries of the user's actions refer to
        it."""
        row = self.locked(resource_id, expected)
        before = self._recorded(row)
        set_access(self.unit, row, role=row.role, status=DEACTIVATED)
        row.email_key = f"{DELETED}{row.id}"
        row.external_id = row.scim = None
        self.unit.touch(row)
        self.leave_groups(row.id)
        self.unit.audit("user.delete", ("user", row.id), before=before)

    def related_to(self, ids: Sequence[str]) -> Related:
        """The groups of users."""
        found: Related = {}
        rows = self.unit.session.execute(
            select(ScimMember, ScimGroup)
            .join(ScimGroup, ScimGroup.id == ScimMember.group_id)
            .where(ScimMember.member_id.in_(ids))
            .order_by(ScimGroup.id)
        )
        for member, group in rows:
            shown = {
                "value": group.id,
                "$ref": f"Groups/{group.id}",
                "display": group.attributes.get("displayName"),
                "type": "direct",
            }
            found.setdefault(member.member_id, []).append(shown)
        return found

    def attributes_of(self, row: User) -> dict[str, Any]:
        """The attributes in a row: those with a column of their own, and all others."""
        without: dict[str, Any] = {"displayName": row.name, "active": True}
        stored = without if row.scim is None else row.scim
        attributes = {**stored, "userName": row.email}
        if "displayName" in stored:
            attributes["displayName"] = row.name
        if "active" in stored or row.status == DEACTIVATED:
            attributes["active"] = row.status != DEACTIVATED
        if row.external_id is not None:
            attributes["externalId"] = row.external_id
        if _role(stored) not in (None, row.role):
            attributes["roles"] = _with_role(stored["roles"], row.role)
        return attributes

    def _recorded(self, row: User) -> dict[str, Any]:
        """A user as the audit log stores it: role and status are those of this server."""
        return {**self.attributes_of(row), "role": row.role, "status": row.status}


def _fill(row: User, attributes: dict[str, Any]) -> None:
    check_name("userName", attributes.get("userName"), MOST_NAME)
    check_length("externalId", attributes.get("externalId"))
    row.email = str(attributes["userName"])
    row.email_key = row.email.casefold()
    if is_deleted(row):
        raise InvalidValueException(detail=f"userName must not begin with {DELETED}")
    name = attributes.get("name") or {}
    formatted = name.get("formatted") or " ".join(
        str(name[part]) for part in ("givenName", "familyName") if name.get(part)
    )
    row.name = attributes.get("displayName") or formatted or row.email
    row.external_id = attributes.get("externalId")
    row.scim = {
        key: value for key, value in attributes.items() if key not in ("userName", "externalId")
    }


def _role(attributes: dict[str, Any]) -> str | None:
    """The role from the identity provider; None: it names no role of this server."""
    named = (_named(role) for role in attributes.get("roles", ()))
    return next((role for role in named if role is not None), None)


def _named(role: dict[str, Any]) -> str | None:
    """The role of this server that a value of `roles` names, if it names one."""
    name = str(role.get("value", "")).lower()
    return name if name in _ROLES else None


def _with_role(roles: list[dict[str, Any]], role: str) -> list[dict[str, Any]]:
    """The values of `roles` after this server has changed the role that the provider had named.

    Otherwise the next change of any attribute would set the earlier role again.
    """
    names = [one for one in roles if _named(one) is not None]
    present = {key: value for key, value in names[0].items() if key != "display"}
    others = [one for one in roles if _named(one) is None]
    return [{**present, "value": role}, *others]


@contextmanager
def _unique(unit: Unit) -> Iterator[None]:
    """Flush the changes of the block. Raises SCIM's 409 for an existing userName."""
    try:
        with flushed_or(unit.session, Conflict("taken")):
            yield
    except Conflict:
        raise UniquenessException(detail="there is a User with this userName") from None
