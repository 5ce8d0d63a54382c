"""Sessions that cannot leave their tenant.

Two hooks do it, for every statement and every flush: whatever is selected, updated or deleted is
filtered by the session's tenant, and whatever is added belongs to it. A statement that the filter
cannot reach (plain tables, text, inserts by statement) is refused, so that nothing gets around it
by accident. Code that must see all tenants asks for an unscoped session by name.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import ORMExecuteState, Session, UOWTransaction, with_loader_criteria

from server.platform.state.rows import Tenant, TenantRow

_TENANT = "tenant_id"


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


@event.listens_for(Session, "do_orm_execute")
def _keep_to_tenant(state: ORMExecuteState) -> None:
    tenant_id = state.session.info.get(_TENANT)
    if tenant_id is None:
        return
    if not state.is_orm_statement or state.is_insert:
        raise OutOfScope("a scoped session runs select, update and delete of mapped classes only")
    if state.is_column_load or state.is_relationship_load:
        return  # of an object that the filter let through; relationships carry the filter on
    for mapper in state.all_mappers:
        if not issubclass(mapper.class_, TenantRow):
            raise OutOfScope(f"{mapper.class_.__name__} belongs to no tenant")
    state.statement = state.statement.options(
        with_loader_criteria(
            TenantRow,
            lambda cls: cls.tenant_id == tenant_id,
            include_aliases=True,
            propagate_to_loaders=True,
        )
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
