"""Storage of scim2-server over the tables of one tenant."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Union

from scim2_models import (
    Resource,
    ResourceType,
    ResponseParameters,
    ScimFilter,
    ScimProvider,
    SearchRequest,
    TooManyException,
)
from scim2_models.path import CompareOperator, Comparison
from scim2_server.storage import ScimStorage, SearchPage
from scim2_server.utils import parametrize
from sqlalchemy import ColumnElement, func

from novaql.server.db.tables import User
from novaql.server.db.unit import Actor, Origin, Unit
from novaql.server.scim.groups import ScimGroups
from novaql.server.scim.tables import ScimGroup
from novaql.server.scim.users import ScimUsers
from novaql.server.tenants.context import ServerContext

Kind = ScimUsers | ScimGroups
LONGEST_FILTER = 8192
WORDS = 3
"""Words of a comparison: attribute, operator, value."""


@dataclass(frozen=True, slots=True)
class Units:
    """Creates transactions of a request, in its tenant."""

    context: ServerContext
    actor: Actor
    origin: Origin

    def begin(self, *, writes: bool) -> AbstractContextManager[Unit]:
        return self.context.unit(self.actor, self.origin, writes=writes)


@dataclass(frozen=True, slots=True)
class Kinds:
    """Users and groups of a unit's tenant."""

    users: ScimUsers
    groups: ScimGroups

    def of(self, resource_type: ResourceType) -> Kind:
        return self.users if resource_type.name == "User" else self.groups


class TenantStorage(ScimStorage):
    """Users and groups of a tenant. Each call has its own transaction: a write transaction only for
    a write. A read transaction converts the rows of the answer to resources.

    search_work  limit for resources × comparisons of a search without an index
    """

    def __init__(self, units: Units, provider: ScimProvider, search_work: int) -> None:
        self._units = units
        self._provider = provider
        self._search_work = search_work

    def get(
        self,
        resource_type: ResourceType,
        resource_id: str,
        *,
        response_parameters: ResponseParameters[Any] | None = None,
    ) -> Resource[Any]:
        members = not _leaves_out_members(response_parameters)
        with self.reading() as kinds:
            kind = kinds.of(resource_type)
            if isinstance(kind, ScimUsers):
                return kind.shown([kind.get(resource_id)])[0]
            return kind.shown([kind.get(resource_id)], members=members)[0]

    def search(
        self,
        resource_types: list[ResourceType],
        search_request: SearchRequest[Any],
        *,
        position: Any = None,  # noqa: ARG002 - cursors are not announced
    ) -> SearchPage:
        start = search_request.start_index_0 or 0
        count = search_request.count
        with self.reading() as found_by:
            kinds = [found_by.of(resource_type) for resource_type in resource_types]
            if len(kinds) == 1 and search_request.filter is None and search_request.sort_by is None:
                return _plain_page(kinds[0], start, count)
            found = [r for kind in kinds for r in self._candidates(kind, search_request)]
        found = _matching(found, search_request)
        descending = (
            search_request.sort_by is not None
            and search_request.sort_order == SearchRequest.SortOrder.descending
        )
        found.sort(key=lambda r: _sort_key(search_request, r), reverse=descending)
        stop = None if count is None else start + count
        return SearchPage(len(found), found[start:stop])

    def _candidates(self, kind: Kind, search: SearchRequest[Any]) -> list[Resource[Any]]:
        """The resources for the filter to check. The database evaluates an equality of an indexed
        column."""
        statement: Any = kind.all()
        condition = _equality(kind, search.filter)
        if condition is not None:
            statement = statement.where(condition)
        _check_work(kind, statement, search, self._search_work)
        return kind.shown(list(kind.unit.session.execute(statement).scalars()))

    def create(self, resource_type: ResourceType, resource: Resource[Any]) -> Resource[Any]:
        with self.writing() as kinds:
            row = kinds.of(resource_type).create(resource)
        return self._shown(row)

    def update(
        self,
        resource_type: ResourceType,
        resource: Resource[Any],
        *,
        expected_version: str | None = None,
    ) -> Resource[Any]:
        with self.writing() as kinds:
            row = kinds.of(resource_type).update(resource, expected_version)
        return self._shown(row)

    def delete(
        self,
        resource_type: ResourceType,
        resource_id: str,
        *,
        expected_version: str | None = None,
    ) -> None:
        with self.writing() as kinds:
            kinds.of(resource_type).delete(resource_id, expected_version)

    @contextmanager
    def reading(self) -> Iterator[Kinds]:
        """Users and groups in a read transaction."""
        with self._units.begin(writes=False) as unit:
            yield self._kinds(unit)

    @contextmanager
    def writing(self) -> Iterator[Kinds]:
        """Users and groups in a write transaction."""
        with self._units.begin(writes=True) as unit:
            yield self._kinds(unit)

    def _kinds(self, unit: Unit) -> Kinds:
        return Kinds(
            ScimUsers(unit, _model(self._provider, "User")),
            ScimGroups(unit, _model(self._provider, "Group")),
        )

    def _shown(self, row: User | ScimGroup) -> Resource[Any]:
        with self.reading() as kinds:
            if isinstance(row, User):
                return kinds.users.shown([row])[0]
            return kinds.groups.shown([row])[0]


def _plain_page(kind: Kind, start: int, count: int | None) -> SearchPage:
    statement: Any = kind.all()
    total = kind.unit.session.execute(
        statement.with_only_columns(func.count()).order_by(None)
    ).scalar_one()
    if count is not None:
        statement = statement.limit(count)
    rows = list(kind.unit.session.execute(statement.offset(start)).scalars())
    return SearchPage(total, kind.shown(rows))


def _check_work(kind: Kind, statement: Any, search: SearchRequest[Any], most: int) -> None:
    """Raise SCIM's `tooMany` for a search that would scan too many rows."""
    text = "" if search.filter is None else str(search.filter)
    if len(text) > LONGEST_FILTER:
        raise TooManyException(
            detail=f"the filter has {len(text)} characters; at most {LONGEST_FILTER} are taken"
        )
    counted = statement.with_only_columns(func.count()).order_by(None)
    rows = kind.unit.session.execute(counted).scalar_one()
    words = max(len(text.split()), WORDS)
    if rows * words > most * WORDS:
        raise TooManyException(
            detail=f"the search looks at {rows} resources; filter by userName, externalId, "
            "displayName of a group or id, each by eq, which are found by an index"
        )


def _equality(kind: Kind, scim_filter: ScimFilter[Any] | None) -> ColumnElement[bool] | None:
    node = None if scim_filter is None else scim_filter.ast
    if (
        not isinstance(node, Comparison)
        or node.op != CompareOperator.eq
        or not isinstance(node.value, str)
    ):
        return None
    return kind.equality(str(node.attr_path).rpartition(":")[2], node.value)


def _matching(found: list[Resource[Any]], search: SearchRequest[Any]) -> list[Resource[Any]]:
    scim_filter = search.filter
    if scim_filter is None or not found:
        return found
    if not scim_filter.models:
        models = tuple(dict.fromkeys(type(resource) for resource in found))
        scim_filter = parametrize(ScimFilter, Union[models])(str(scim_filter))  # noqa: UP007
    return [resource for resource in found if scim_filter.match(resource)]


def _sort_key(search: SearchRequest[Any], resource: Resource[Any]) -> tuple[bool, Any, str]:
    value = search.sort_value(resource)
    return value is None, "" if value is None else value, str(resource.id)


def _leaves_out_members(parameters: ResponseParameters[Any] | None) -> bool:
    """Whether the request excludes members from the answer, so that storage does not read them."""
    excluded = None if parameters is None else parameters.excluded_attributes
    return any(str(path).lower().rpartition(":")[2] == "members" for path in excluded or ())


def _model(provider: ScimProvider, name: str) -> type[Resource[Any]]:
    found = provider.model_for(name)
    assert found is not None
    assert issubclass(found, Resource)
    return found
