"""Convert rows of users to SCIM resources, and back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from scim2_models import (
    Context,
    InvalidValueException,
    Meta,
    NotFoundException,
    PreconditionFailedException,
    Resource,
    UniquenessException,
)
from sqlalchemy import ColumnElement, Select, delete, select

from novaql.server.auth.roles import Role
from novaql.server.auth.user_access import ACTIVE, DEACTIVATED, check_new_user, set_access
from novaql.server.db.engine import flushed_or
from novaql.server.db.tables import User
from novaql.server.db.unit import Unit
from novaql.server.errors import Conflict
from novaql.server.ids import new_id
from novaql.server.scim.tables import ScimGroup, ScimMember

GONE = "deleted:"
"""Prefix of `email_key` after a deletion over SCIM: it frees the name, and the row remains."""

MOST_NAME, MOST_KEY = 254, 400
"""Limits in characters: a userName, and other indexed values, since indexes limit their keys."""

_OWN = ("id", "meta", "groups", "password", "schemas")


class ScimUsers:
    """The users of a unit's tenant."""

    name = "User"

    def __init__(self, unit: Unit, model: type[Resource[Any]]) -> None:
        self.unit = unit
        self._model = model

    def all(self) -> Select[User]:
        """The users that SCIM shows: all that were not deleted over SCIM."""
        return select(User).where(User.email_key.not_like(f"{GONE}%")).order_by(User.id)

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

    def shown(self, rows: list[User]) -> list[Resource[Any]]:
        """Convert rows to resources, with the groups of each user."""
        groups = self._groups([row.id for row in rows])
        return [self._shown(row, groups.get(row.id, [])) for row in rows]

    def get(self, resource_id: str, *, lock: bool = False) -> User:
        """Load a row. Raises SCIM's 404."""
        statement = self.all().where(User.id == resource_id)
        if lock:
            statement = statement.with_for_update()
        row = self.unit.session.execute(statement).scalar_one_or_none()
        if row is None:
            raise NotFoundException(detail=f"there is no User with id {resource_id}")
        return row

    def create(self, resource: Resource[Any]) -> User:
        """Create a user without a token, active unless the resource has `active` false."""
        check_new_user(self.unit)
        now = self.unit.now()
        row = User(id=new_id("usr"), created_at=now, updated_at=now, version=1)
        row.role, row.status = Role.READ_ONLY.value, ACTIVE
        attributes = _attributes(resource)
        _fill(row, attributes)
        role, active = _role(attributes) or row.role, attributes.get("active", True)
        row.role, row.status = role, ACTIVE if active else DEACTIVATED
        with _unique(self.unit):
            self.unit.session.add(row)
        self.unit.audit("user.create", ("user", row.id), after=attributes)
        return row

    def update(self, resource: Resource[Any], expected: str | None) -> User:
        """Replace the state of a user."""
        row = self.get(str(resource.id), lock=True)
        _expect(row.version, expected)
        before = dict(row.scim or {})
        attributes = _attributes(resource)
        role = _role(attributes) or row.role
        active = attributes.get("active", True)
        status = row.status
        if not active:
            status = DEACTIVATED
        elif row.status == DEACTIVATED:
            status = ACTIVE
        with _unique(self.unit):
            _fill(row, attributes)
        action = "user.deactivate" if status == DEACTIVATED != row.status else "user.update"
        set_access(self.unit, row, role=role, status=status)
        self.unit.touch(row)
        self.unit.audit(action, ("user", row.id), before=before, after=attributes)
        return row

    def delete(self, resource_id: str, expected: str | None) -> None:
        """Delete a user permanently. The row remains, since entries of the user's actions refer to
        it."""
        row = self.get(resource_id, lock=True)
        _expect(row.version, expected)
        set_access(self.unit, row, role=row.role, status=DEACTIVATED)
        row.email_key = f"{GONE}{row.id}"
        row.external_id = None
        before, row.scim = row.scim, None
        self.unit.touch(row)
        self.unit.session.execute(delete(ScimMember).where(ScimMember.member_id == row.id))
        self.unit.audit("user.delete", ("user", row.id), before=before)

    def _groups(self, ids: list[str]) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = {}
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

    def _shown(self, row: User, groups: list[dict[str, Any]]) -> Resource[Any]:
        stored = {"displayName": row.name, "active": True} if row.scim is None else row.scim
        attributes: dict[str, Any] = {**stored, "userName": row.email}
        if "displayName" in stored:
            attributes["displayName"] = row.name
        if "active" in stored or row.status == DEACTIVATED:
            attributes["active"] = row.status != DEACTIVATED
        if row.external_id is not None:
            attributes["externalId"] = row.external_id
        if groups:
            attributes["groups"] = groups
        resource = self._model.model_validate(attributes)
        resource.id = row.id
        resource.meta = meta(self.name, row)
        return resource


def _attributes(resource: Resource[Any]) -> dict[str, Any]:
    """The attributes that a client has set, as JSON."""
    dumped = resource.model_dump(scim_ctx=Context.DEFAULT, mode="json", exclude_none=True)
    return {name: value for name, value in dumped.items() if name not in _OWN}


def check_length(name: str, text: str | None, most: int = MOST_KEY) -> None:
    """Raise SCIM's 400 for a text that is too long for an index."""
    if text is not None and len(text) > most:
        detail = f"{name} has {len(text)} characters; at most {most} are taken"
        raise InvalidValueException(detail=detail)


def _fill(row: User, attributes: dict[str, Any]) -> None:
    check_length("userName", attributes["userName"], MOST_NAME)
    check_length("externalId", attributes.get("externalId"))
    row.email = str(attributes["userName"])
    row.email_key = row.email.casefold()
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
    known = {role.value for role in Role}
    given = [str(role.get("value", "")).lower() for role in attributes.get("roles", ())]
    return next((role for role in given if role in known), None)


def _expect(version: int, expected: str | None) -> None:
    if expected is not None and expected != etag(version):
        raise PreconditionFailedException


def etag(version: int) -> str:
    """The row version as an ETag."""
    return f'W/"{version}"'


def meta(name: str, row: User | ScimGroup) -> Meta:
    return Meta(
        resource_type=name,
        created=row.created_at,
        last_modified=row.updated_at,
        version=etag(row.version),
    )


@contextmanager
def _unique(unit: Unit) -> Iterator[None]:
    """Flush the changes of the block. Raises SCIM's 409 for an existing userName."""
    try:
        with flushed_or(unit.session, Conflict("taken")):
            yield
    except Conflict:
        raise UniquenessException(detail="there is a User with this userName") from None
