"""Sessions that cannot leave their tenant.

Two hooks do it, for every statement and every flush: whatever is selected, updated or deleted is
filtered by the session's tenant, and whatever is added belongs to it. A statement that the filter
cannot reach (plain tables, text, inserts by statement) is refused, so that nothing gets around it
by accident. Code that must see all tenants asks for an unscoped session by name.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import lru_cache
from typing import Any, TypeVar, cast

from sqlalchemy import Select, bindparam, event, select
from sqlalchemy.orm import ORMExecuteState, Session, UOWTransaction, with_loader_criteria
from sqlalchemy.sql.base import ExecutableOption

from server.platform.state.rows import Row, Tenant, TenantRow

AnyRow = TypeVar("AnyRow", bound=Row)
_TENANT = "tenant_id"


_OWN_FILTER = "novaql_own_filter"
_PROOF = object()


class OutOfScope(RuntimeError):
    """The program tried to reach beyond its tenant: a mistake of ours, never of a client."""


def scope(session: Session, tenant_id: str) -> None:
    """Bind a fresh session to a tenant, for good."""
    if _TENANT in session.info:
        raise OutOfScope("the session has a tenant already")
    session.info[_TENANT] = tenant_id


def tenant_of(session: Session) -> str:
    """The tenant a session is bound to."""
    found = session.info.get(_TENANT)
    if not isinstance(found, str):
        raise OutOfScope("the session belongs to no tenant")
    return found


def by_id(session: Session, table: type[AnyRow], key: str) -> AnyRow | None:
    """The session's row with that id.

    What most requests begin with, so the statement is made once for a table and brings its own
    filter; to make and to filter one anew takes longer than to run it.
    """
    tenant_id = session.info.get(_TENANT)
    if tenant_id is None:
        return session.execute(select(table).where(table.id == key)).scalar_one_or_none()
    wanted = {"of_tenant": tenant_id, "of_id": key}
    found: AnyRow | None = session.execute(
        _by_id(cast(Hashable, table)), wanted
    ).scalar_one_or_none()
    return found


@lru_cache(maxsize=256)
def _by_id(table: Any) -> Select[Any]:
    one = (table.id == bindparam("of_id")) & (table.tenant_id == bindparam("of_tenant"))
    return select(table).where(one).execution_options(**{_OWN_FILTER: _PROOF})


@event.listens_for(Session, "do_orm_execute")
def _keep_to_tenant(state: ORMExecuteState) -> None:
    tenant_id = state.session.info.get(_TENANT)
    if tenant_id is None:
        return
    if state.execution_options.get(_OWN_FILTER) is _PROOF:
        return
    if not state.is_orm_statement or state.is_insert:
        raise OutOfScope("a scoped session runs select, update and delete of mapped classes only")
    if state.is_column_load or state.is_relationship_load:
        return  # of an object that the filter let through; relationships carry the filter on
    for mapper in state.all_mappers:
        if not issubclass(mapper.class_, TenantRow):
            raise OutOfScope(f"{mapper.class_.__name__} belongs to no tenant")
    state.statement = state.statement.options(_only_of(tenant_id))


@lru_cache(maxsize=4096)
def _only_of(tenant_id: str) -> ExecutableOption:
    """The filter, which takes longer to make than a small query to run."""
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
