"""Use cases of hooks: an administrator creates them, and reads what they have received."""

from __future__ import annotations

import secrets
from typing import Any

from sqlalchemy import delete, select

from novaql.server.db.tenant_limits import check_limit
from novaql.server.db.unit import Unit
from novaql.server.errors import Conflict
from novaql.server.http.pagination import Key, Page, PageQuery, Pager
from novaql.server.integrations.hook_schema import CreateHook, HookOut
from novaql.server.integrations.providers import provider_named
from novaql.server.integrations.tables import HookMessage, HookRequest, IntegrationHook

KEYS = (Key(IntegrationHook.created_at), Key(IntegrationHook.id))
PATH = "/v1/integrations/webhook"


def create(unit: Unit, provider_name: str, body: CreateHook) -> tuple[IntegrationHook, str]:
    """Create a hook. Return its row and its secret. Raises `Conflict` `no_hooks`."""
    provider = provider_named(unit.settings, provider_name)
    if not provider.hooks:
        raise Conflict(f"{provider.title} sends no requests", code="no_hooks")
    config = body.model_dump(mode="json", exclude={"name", "secret"}, exclude_none=True)
    provider.check_hook(config)
    check_limit(unit, "max_integration_hooks", IntegrationHook)
    secret = body.secret or secrets.token_urlsafe(32)
    hook = unit.new(
        IntegrationHook,
        "hok",
        provider=provider.name,
        name=body.name,
        config=config,
        created_by=unit.actor.id,
        received=0,
    )
    hook.secret = unit.seal(secret, f"integration_hook:{hook.id}:secret")
    unit.session.add(hook)
    unit.session.flush()
    unit.record(hook, "integration_hook.create", None, snapshot)
    return hook, secret


def find(unit: Unit, pages: Pager, provider_name: str, query: PageQuery) -> Page[IntegrationHook]:
    """A page of the hooks of a provider."""
    provider_named(unit.settings, provider_name)
    statement = select(IntegrationHook).where(IntegrationHook.provider == provider_name)
    return pages.page(unit, statement, KEYS, query)


def hook_of(unit: Unit, provider_name: str, hook_id: str, *, lock: bool = False) -> IntegrationHook:
    """Return a hook of a provider. One of another provider is a 404."""
    provider_named(unit.settings, provider_name)
    hook = unit.get(IntegrationHook, hook_id, "hook", lock=lock)
    return hook if hook.provider == provider_name else unit.get(IntegrationHook, "", "hook")


def remove(unit: Unit, provider_name: str, hook_id: str) -> None:
    """Delete a hook, and what it has received. Resources and incidents stay."""
    hook = hook_of(unit, provider_name, hook_id, lock=True)
    unit.audit("integration_hook.delete", ("integration_hook", hook.id), before=snapshot(hook))
    for table in (HookRequest, HookMessage):
        unit.session.execute(delete(table).where(table.hook_id == hook.id))
    unit.session.delete(hook)


def requests_of(unit: Unit, provider_name: str, hook_id: str) -> list[HookRequest]:
    """The last requests to a hook, the newest first."""
    hook = hook_of(unit, provider_name, hook_id)
    statement = select(HookRequest).where(HookRequest.hook_id == hook.id)
    return list(unit.session.execute(statement.order_by(HookRequest.number.desc())).scalars())


def shown(hook: IntegrationHook) -> HookOut:
    """The response model of a hook."""
    return HookOut.of_row(hook, path=f"{PATH}/{hook.id}")


def snapshot(hook: IntegrationHook) -> dict[str, Any]:
    """A hook as the audit log contains it."""
    moving = {"received", "last_at"}
    return {**shown(hook).model_dump(mode="json", exclude=moving), "secret": hook.secret}
