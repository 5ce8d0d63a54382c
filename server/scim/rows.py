"""What users and groups have in common as SCIM resources."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Generic, TypeVar

from scim2_models import (
    Context,
    InvalidValueException,
    Meta,
    NotFoundException,
    PreconditionFailedException,
    Resource,
)
from sqlalchemy import ColumnElement, Select, delete, select

from novaql.server.db.rows import Row
from novaql.server.db.unit import Unit
from novaql.server.scim.tables import ScimGroup, ScimMember

AnyRow = TypeVar("AnyRow", bound=Row)
Related = dict[str, list[dict[str, Any]]]
MOST_NAME, MOST_KEY = 254, 400
"""Limits in characters: a userName, and other indexed values, since indexes limit their keys."""

_OWN = ("id", "meta", "groups", "password", "schemas")


class ScimRows(ABC, Generic[AnyRow]):
    """The resources of one type, in a unit's tenant.

    name             the name of the resource type
    related          the attribute whose values come from rows of memberships
    related_in_etag  whether its values change without the row version, so that ETags depend on them
    """

    name: ClassVar[str]
    related: ClassVar[str]
    related_in_etag: ClassVar[bool]

    def __init__(self, unit: Unit, model: type[Resource[Any]]) -> None:
        self.unit = unit
        self._model = model

    @abstractmethod
    def all(self) -> Select[AnyRow]:
        """Every row that SCIM shows."""

    @abstractmethod
    def equality(self, attribute: str, value: str) -> ColumnElement[bool] | None:
        """The SQL condition for `attribute eq value`; None: no column stores the attribute."""

    @abstractmethod
    def attributes_of(self, row: AnyRow) -> dict[str, Any]:
        """The attributes in a row."""

    @abstractmethod
    def related_to(self, ids: Sequence[str]) -> Related:
        """The values of the attribute `related`, by ids of rows."""

    @abstractmethod
    def create(self, resource: Resource[Any]) -> AnyRow:
        """Create a row."""

    @abstractmethod
    def update(self, resource: Resource[Any], expected: str | None) -> AnyRow:
        """Replace the state of a row, from the version `expected`."""

    @abstractmethod
    def delete(self, resource_id: str, expected: str | None) -> None:
        """Delete a row permanently, from the version `expected`."""

    def get(self, resource_id: str, *, lock: bool = False) -> AnyRow:
        """Load a row. Raises SCIM's 404."""
        found = self.all().where(self.equality("id", resource_id))  # type: ignore[arg-type]
        if lock:
            found = found.with_for_update()
        row = self.unit.session.execute(found).scalar_one_or_none()
        if row is None:
            raise NotFoundException(detail=f"there is no {self.name} with id {resource_id}")
        return row

    def locked(self, resource_id: str, expected: str | None) -> AnyRow:
        """Lock a row. Raises SCIM's 412 for another version than `expected`."""
        row = self.get(resource_id, lock=True)
        if expected is not None:
            related = self.related_to([resource_id]) if self.related_in_etag else {}
            if expected != self._etag(row, related.get(resource_id)):
                raise PreconditionFailedException
        return row

    def leave_groups(self, resource_id: str) -> None:
        """Delete the memberships of a resource. The groups that had it become newer versions."""
        of = ScimMember.member_id == resource_id
        groups = (
            select(ScimGroup)
            .where(ScimGroup.id.in_(select(ScimMember.group_id).where(of)))
            .order_by(ScimGroup.id)
            .with_for_update()
        )
        for group in self.unit.session.execute(groups).scalars():
            self.unit.touch(group)
        self.unit.session.execute(delete(ScimMember).where(of))

    def shown(self, rows: Sequence[AnyRow], *, related: bool = True) -> list[Resource[Any]]:
        """Convert rows to resources. related: include the attribute `related`"""
        found = self.related_to([row.id for row in rows]) if related else {}
        return [self._shown(row, found.get(row.id)) for row in rows]

    def _shown(self, row: AnyRow, related: list[dict[str, Any]] | None) -> Resource[Any]:
        others = {self.related: related} if related else {}
        resource = self._model.model_validate(self.attributes_of(row) | others)
        resource.id = row.id
        resource.meta = Meta(
            resource_type=self.name,
            created=row.created_at,
            last_modified=row.updated_at,
            version=self._etag(row, related),
        )
        return resource

    def _etag(self, row: AnyRow, related: list[dict[str, Any]] | None) -> str:
        """The ETag of a resource with these values of the attribute `related`."""
        if not related or not self.related_in_etag:
            return etag(row.version)
        text = json.dumps(related, sort_keys=True)
        return etag(f"{row.version}-{hashlib.sha256(text.encode()).hexdigest()[:16]}")


def given_attributes(resource: Resource[Any]) -> dict[str, Any]:
    """The attributes that a client has set, as JSON."""
    dumped = resource.model_dump(scim_ctx=Context.DEFAULT, mode="json", exclude_none=True)
    return {name: value for name, value in dumped.items() if name not in _OWN}


def check_length(name: str, text: str | None, most: int = MOST_KEY) -> None:
    """Raise SCIM's 400 for a text that is too long for an index."""
    if text is not None and len(text) > most:
        detail = f"{name} has {len(text)} characters; at most {most} are taken"
        raise InvalidValueException(detail=detail)


def check_name(name: str, text: str | None, most: int = MOST_KEY) -> None:
    """Raise SCIM's 400 for a name that is absent, blank or too long for an index."""
    if text is None or not text.strip():
        raise InvalidValueException(detail=f"{name} is required and must not be blank")
    check_length(name, text, most)


def etag(version: int | str) -> str:
    """A version as an ETag."""
    return f'W/"{version}"'
