"""Sessions that are restricted to one tenant.

Two hooks enforce it, for every statement and every flush. One filters selects, updates and deletes
by the session's tenant; the other sets the tenant of added rows. Statements that the filter cannot
reach (plain tables, text, inserts by statement) are rejected, so that no code bypasses it by
accident. Code that needs all tenants opens an unscoped session explicitly.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import lru_cache
from typing import Any, TypeVar, cast

from sqlalchemy import Result, Select, Table, TextClause, bindparam, event, select
from sqlalchemy.orm import ORMExecuteState, Session, UOWTransaction, with_loader_criteria
from sqlalchemy.sql.base import ExecutableOption
from sqlalchemy.sql.visitors import iterate

from novaql.server.db.rows import Row, Tenant, TenantRow

AnyRow = TypeVar("AnyRow", bound=Row)
_TENANT = "tenant_id"


_OWN_FILTER = "novaql_own_filter"
_PROOF = object()


class OutOfScope(RuntimeError):
    """The program tried to access rows outside its tenant: a bug of the server, not of a client."""


def scope(session: Session, tenant_id: str) -> None:
    """Bind a new session to a tenant, permanently."""
    if _TENANT in session.info:
        raise OutOfScope("the session has a tenant already")
    session.info[_TENANT] = tenant_id


def tenant_of(session: Session) -> str:
    """Return the tenant that a session is bound to."""
    found = session.info.get(_TENANT)
    if not isinstance(found, str):
        raise OutOfScope("the session belongs to no tenant")
    return found


def by_id(session: Session, table: type[AnyRow], key: str) -> AnyRow | None:
    """Return the row of the session's tenant with an id."""
    rows = _by_id(cast(Hashable, table)).run(session, of_id=key)
    found: AnyRow | None = rows.scalar_one_or_none()
    return found


@lru_cache(maxsize=256)
def _by_id(table: Any) -> Prepared:
    return Prepared(select(table).where(table.id == bindparam("of_id")))


class Prepared:
    """A select that is built once and includes the filter by the session's tenant.

    It is for frequent queries, with `bindparam` for the parts that differ: to build and filter a
    statement takes longer than to run it. Raises `OutOfScope` for a statement that reads a table
    without tenants, or that has a subquery, which the filter would not reach.
    """

    def __init__(self, statement: Select[*tuple[Any, ...]]) -> None:
        tables = [one for one in statement.get_final_froms() if isinstance(one, Table)]
        parts = list(iterate(statement))
        named = {one.name for one in parts if isinstance(one, Table)}
        text = any(isinstance(one, TextClause) for one in parts)
        if text or named != {table.name for table in tables}:
            raise OutOfScope("a prepared statement reads tables themselves, each filtered")
        for table in tables:
            if _TENANT not in table.c:
                raise OutOfScope(f"{table.name} belongs to no tenant")
            statement = statement.where(table.c[_TENANT] == bindparam("of_tenant"))
        self._statement = statement.execution_options(**{_OWN_FILTER: _PROOF})

    def run(self, session: Session, **values: object) -> Result[*tuple[Any, ...]]:
        """Return the rows of the session's tenant, with these parameters."""
        return session.execute(self._statement, {**values, "of_tenant": tenant_of(session)})


@event.listens_for(Session, "do_orm_execute")
def _restrict_to_tenant(state: ORMExecuteState) -> None:
    tenant_id = state.session.info.get(_TENANT)
    if tenant_id is None:
        return
    if state.execution_options.get(_OWN_FILTER) is _PROOF:
        return
    if not state.is_orm_statement or state.is_insert:
        raise OutOfScope("a scoped session runs select, update and delete of mapped classes only")
    if state.is_column_load or state.is_relationship_load:
        return  # the object passed the filter, and relationships inherit it
    for mapper in state.all_mappers:
        if not issubclass(mapper.class_, TenantRow):
            raise OutOfScope(f"{mapper.class_.__name__} belongs to no tenant")
    state.statement = state.statement.options(_only_of(tenant_id))


@lru_cache(maxsize=4096)
def _only_of(tenant_id: str) -> ExecutableOption:
    """Return the filter, cached: it takes longer to build than a small query to run."""
    return with_loader_criteria(
        TenantRow,
        lambda cls: cls.tenant_id == tenant_id,
        include_aliases=True,
        propagate_to_loaders=True,
    )


@event.listens_for(Session, "before_flush")
def _belong_to_tenant(
    session: Session,
    context: UOWTransaction,  # noqa: ARG001 - the hook's signature
    instances: Any,  # noqa: ARG001 - likewise
) -> None:
    tenant_id = session.info.get(_TENANT)
    if tenant_id is None:
        return
    for row in session.new:
        if not isinstance(row, TenantRow):
            raise OutOfScope(f"{type(row).__name__} belongs to no tenant")
        if getattr(row, _TENANT) is None:
            row.tenant_id = tenant_id
    for row in (*session.new, *session.dirty, *session.deleted):
        if isinstance(row, Tenant) or getattr(row, "tenant_id", tenant_id) != tenant_id:
            raise OutOfScope("the row belongs to another tenant")
