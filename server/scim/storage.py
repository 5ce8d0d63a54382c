"""Storage of scim2-server over the tables of one tenant."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
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
from sqlalchemy import ColumnElement, Select, func

from novaql.server.db.rows import Row
from novaql.server.db.unit import Unit
from novaql.server.scim.groups import ScimGroups
from novaql.server.scim.rows import ScimRows
from novaql.server.scim.users import ScimUsers

_KINDS: dict[str, type[ScimRows[Any]]] = {"User": ScimUsers, "Group": ScimGroups}
LONGEST_FILTER = 8192
_LAST_ROW = 2**63 - 1
"""Databases have no larger numbers."""
WORDS = 3
"""Words of a comparison: attribute, operator, value."""


class TenantStorage(ScimStorage):
    """Users and groups of a tenant. Each call has its own transaction: a write transaction only for
    a write. A read transaction converts the rows of the answer to resources.

    begin        begins a transaction in the tenant, by `writes`
    search_work  limit for resources × comparisons of a search without an index
    """

    def __init__(
        self,
        begin: Callable[..., AbstractContextManager[Unit]],
        provider: ScimProvider,
        search_work: int,
    ) -> None:
        self._begin = begin
        self._provider = provider
        self._search_work = search_work

    def get(
        self,
        resource_type: ResourceType,
        resource_id: str,
        *,
        response_parameters: ResponseParameters[Any] | None = None,
    ) -> Resource[Any]:
        with self.rows(resource_type.name, writes=False) as rows:
            leaves_out = _leaves_out(response_parameters, rows.related)
            related = rows.related_in_etag or not leaves_out
            return rows.shown([rows.get(resource_id)], related=related)[0]

    def search(
        self,
        resource_types: list[ResourceType],
        search_request: SearchRequest[Any],
        *,
        position: Any = None,  # noqa: ARG002 - cursors are not announced
    ) -> SearchPage:
        with self._begin(writes=False) as unit:
            kinds = [self._rows(unit, resource_type.name) for resource_type in resource_types]
            if len(kinds) == 1 and search_request.filter is None and search_request.sort_by is None:
                return _plain_page(kinds[0], search_request)
            found = [r for rows in kinds for r in self._candidates(rows, search_request)]
        found = _matching(found, search_request)
        descending = search_request.sort_order == SearchRequest.SortOrder.descending
        found.sort(
            key=lambda r: _sort_key(search_request, r),
            reverse=descending and search_request.sort_by is not None,
        )
        start = search_request.start_index_0 or 0
        return SearchPage(len(found), found[start:][: search_request.count])

    def _candidates(self, rows: ScimRows[Any], search: SearchRequest[Any]) -> list[Resource[Any]]:
        """The resources for the filter to check. The database evaluates an equality of an indexed
        column."""
        statement = rows.all()
        condition = _equality(rows, search.filter)
        if condition is not None:
            statement = statement.where(condition)
        _check_work(rows, statement, search, self._search_work)
        return rows.shown(rows.unit.session.scalars(statement).all())

    def create(self, resource_type: ResourceType, resource: Resource[Any]) -> Resource[Any]:
        with self.rows(resource_type.name, writes=True) as rows:
            row = rows.create(resource)
        return self._shown(resource_type, row)

    def update(
        self,
        resource_type: ResourceType,
        resource: Resource[Any],
        *,
        expected_version: str | None = None,
    ) -> Resource[Any]:
        with self.rows(resource_type.name, writes=True) as rows:
            row = rows.update(resource, expected_version)
        return self._shown(resource_type, row)

    def delete(
        self,
        resource_type: ResourceType,
        resource_id: str,
        *,
        expected_version: str | None = None,
    ) -> None:
        with self.rows(resource_type.name, writes=True) as rows:
            rows.delete(resource_id, expected_version)

    @contextmanager
    def rows(self, name: str | None, *, writes: bool) -> Iterator[ScimRows[Any]]:
        """The rows of a resource type, in a transaction."""
        with self._begin(writes=writes) as unit:
            yield self._rows(unit, name)

    def _rows(self, unit: Unit, name: str | None) -> ScimRows[Any]:
        assert name is not None
        model = self._provider.model_for(name)
        assert isinstance(model, type)
        assert issubclass(model, Resource)
        return _KINDS[name](unit, model)

    def _shown(self, resource_type: ResourceType, row: Row) -> Resource[Any]:
        with self.rows(resource_type.name, writes=False) as rows:
            return rows.shown([row])[0]


def _plain_page(rows: ScimRows[Any], search: SearchRequest[Any]) -> SearchPage:
    page = rows.all().offset(min(search.start_index_0 or 0, _LAST_ROW)).limit(search.count)
    return SearchPage(_count(rows, rows.all()), rows.shown(rows.unit.session.scalars(page).all()))


def _count(rows: ScimRows[Any], statement: Select[Any]) -> int:
    counted = statement.with_only_columns(func.count()).order_by(None)
    return int(rows.unit.session.execute(counted).scalar_one())


def _check_work(
    rows: ScimRows[Any], statement: Select[Any], search: SearchRequest[Any], most: int
) -> None:
    """Raise SCIM's `tooMany` for a search that would scan too many rows."""
    text = "" if search.filter is None else str(search.filter)
    if len(text) > LONGEST_FILTER:
        raise TooManyException(
            detail=f"the filter has {len(text)} characters; at most {LONGEST_FILTER} are taken"
        )
    scanned = _count(rows, statement)
    words = max(len(text.split()), WORDS)
    if scanned * words > most * WORDS:
        raise TooManyException(
            detail=f"the search scans {scanned} resources; filter by userName, externalId, "
            "displayName of a group or id, each by eq, which are found by an index"
        )


def _equality(
    rows: ScimRows[Any], scim_filter: ScimFilter[Any] | None
) -> ColumnElement[bool] | None:
    node = None if scim_filter is None else scim_filter.ast
    if (
        not isinstance(node, Comparison)
        or node.op != CompareOperator.eq
        or not isinstance(node.value, str)
    ):
        return None
    return rows.equality(str(node.attr_path).rpartition(":")[2], node.value)


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


def _leaves_out(parameters: ResponseParameters[Any] | None, attribute: str) -> bool:
    """Whether the request excludes an attribute from the answer, so that it is not read."""
    excluded = None if parameters is None else parameters.excluded_attributes
    return any(str(path).lower().rpartition(":")[2] == attribute for path in excluded or ())
