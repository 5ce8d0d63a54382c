"""Use cases of contact methods and notification rules."""

from __future__ import annotations

from functools import partial
from typing import Any

import orjson
from pydantic import BaseModel
from sqlalchemy import delete, func, select

from novaql.server.auth.roles import Principal, Role
from novaql.server.auth.user_access import DEACTIVATED
from novaql.server.contacts.schema import (
    ContactMethodOut,
    ContactQuery,
    MakeContactMethod,
    MakeNotificationRule,
    NotificationRuleOut,
)
from novaql.server.contacts.tables import ContactMethod, NotificationRule
from novaql.server.crypto.redaction import is_shown_url, shown_url
from novaql.server.crypto.sealing import CannotUnseal
from novaql.server.db.engine import flushed_or
from novaql.server.db.tables import User
from novaql.server.db.unit import Unit
from novaql.server.errors import Conflict, Forbidden, impossible, invalid, not_found
from novaql.server.http.pagination import Key, Page, Pager
from novaql.server.tenants.context import ServerContext

MOST_METHODS, MOST_RULES = 10, 20
"""The most contact methods, and notification rules, of one user."""

LONGEST_DELAY_S = 86_400.0
KEYS = (Key(ContactMethod.created_at), Key(ContactMethod.id))
RULE_KEYS = (Key(NotificationRule.created_at), Key(NotificationRule.id))
_SECRETS = ("url", "bearer_token")
_NEEDED = ("webhook", "slack")


def user_of(unit: Unit, user_id: str, caller: Principal, *, lock: bool = False) -> User:
    """Load a user whose contacts the caller may access: the caller, or any for an administrator.

    Raises `Forbidden` `not_own_contacts`, or the 404 for a user that is unknown or deactivated.
    """
    if not caller.role.covers(Role.ADMIN) and user_id != caller.user_id:
        raise Forbidden("only administrators access contacts of others", code="not_own_contacts")
    user = unit.get(User, user_id, "user", lock=lock)
    if user.status == DEACTIVATED:
        raise not_found("user", user_id, unit.tenant_name)
    return user


def find(unit: Unit, pages: Pager, user: User, query: ContactQuery) -> Page[ContactMethod]:
    """A page of the contact methods of a user, oldest first."""
    statement = select(ContactMethod).where(ContactMethod.user_id == user.id)
    return pages.page(unit, statement, KEYS, query)


def find_rules(unit: Unit, pages: Pager, user: User, query: ContactQuery) -> Page[NotificationRule]:
    """A page of the notification rules of a user, oldest first."""
    statement = select(NotificationRule).where(NotificationRule.user_id == user.id)
    return pages.page(unit, statement, RULE_KEYS, query)


def create(unit: Unit, user: User, body: MakeContactMethod) -> ContactMethod:
    """Create a contact method with checked targets. The caller has locked the user's row."""
    _check_number(unit, ContactMethod, user, MOST_METHODS, "contact methods")
    row = unit.new(ContactMethod, "ctm", user_id=user.id, name=body.name, type=body.type)
    settings = _settings(body)
    secrets = {name: settings.pop(name) for name in _SECRETS if name in settings}
    row.settings, row.sealed = settings, ""
    if secrets:
        row.sealed = unit.seal(orjson.dumps(secrets).decode(), sealed_place(row.id))
    unit.session.add(row)
    unit.session.flush()
    unit.record(row, "contact_method.create", None, partial(_snapshot, unit))
    return row


def remove(unit: Unit, user: User, method_id: str) -> None:
    """Delete a contact method with its notification rules."""
    row = unit.get(ContactMethod, method_id, "contact_method", lock=True)
    if row.user_id != user.id:
        raise not_found("contact_method", method_id, unit.tenant_name)
    before = _snapshot(unit, row)
    own = NotificationRule.contact_method_id == row.id
    unit.session.execute(delete(NotificationRule).where(own))
    unit.session.delete(row)
    unit.audit("contact_method.delete", ("contact_method", row.id), before=before)


def create_rule(unit: Unit, user: User, body: MakeNotificationRule) -> NotificationRule:
    """Create a notification rule. The caller has locked the user's row."""
    delay_s = 0.0 if body.delay is None else body.delay.total_seconds()
    if delay_s > LONGEST_DELAY_S:
        raise invalid("/delay", "must be at most 24h")
    method = unit.find(ContactMethod, body.contact_method_id)
    if method is None or method.user_id != user.id:
        message = f"the user has no contact method with the id {body.contact_method_id}"
        raise impossible("/contact_method_id", message, "unknown_contact_method")
    _check_number(unit, NotificationRule, user, MOST_RULES, "notification rules")
    row = unit.new(
        NotificationRule, "nru", user_id=user.id, contact_method_id=method.id, delay_s=delay_s
    )
    taken = Conflict("there is a rule with this method and delay", code="rule_exists")
    with flushed_or(unit.session, taken):
        unit.session.add(row)
    unit.record(row, "notification_rule.create", None, _rule_snapshot)
    return row


def remove_rule(unit: Unit, user: User, rule_id: str) -> None:
    """Delete a notification rule."""
    row = unit.get(NotificationRule, rule_id, "notification_rule", lock=True)
    if row.user_id != user.id:
        raise not_found("notification_rule", rule_id, unit.tenant_name)
    before = _rule_snapshot(row)
    unit.session.delete(row)
    unit.audit("notification_rule.delete", ("notification_rule", row.id), before=before)


def check_targets(context: ServerContext, body: MakeContactMethod) -> None:
    """Raise if a target is not allowed. Not in a transaction: it resolves names."""
    for kind, one in (("webhook", body.webhook), ("slack", body.slack)):
        if one is None:
            continue
        if is_shown_url(one.url):
            raise invalid(f"/{kind}/url", "this is a redacted URL; send the URL itself")
        context.dialer.check_url(one.url)


def secrets_of(unit: Unit, row: ContactMethod) -> dict[str, str]:
    """Unseal the secrets of a contact method."""
    if not row.sealed:
        return {}
    found: dict[str, str] = orjson.loads(unit.unseal(row.sealed, sealed_place(row.id)))
    return found


def method_out(unit: Unit, row: ContactMethod) -> ContactMethodOut:
    """The response model of a contact method."""
    try:
        secrets = secrets_of(unit, row)
    except CannotUnseal:  # the server runs without its keys and is read-only
        secrets = {}
    url = secrets.pop("url", None)
    settings = row.settings if url is None else {**row.settings, "url": shown_url(url)}
    return ContactMethodOut.of_row(row, settings=settings, secrets=sorted(secrets))


def sealed_place(method_id: str) -> str:
    """The name under which the secrets of a contact method are sealed."""
    return f"contact:{method_id}:secrets"


def _settings(body: MakeContactMethod) -> dict[str, Any]:
    """The settings of the type. Raises `InvalidRequest` for missing ones, and those of others."""
    found: dict[str, Any] = {}
    for kind in ("webhook", "slack", "email"):
        given: BaseModel | None = getattr(body, kind)
        if kind != body.type:
            if given is not None:
                raise invalid(f"/{kind}", f"a method of type {body.type} has no such settings")
        elif given is not None:
            found = given.model_dump(mode="json", exclude_none=True)
        elif kind in _NEEDED:
            raise invalid(f"/{kind}", "the settings of the type are needed")
    return found


def _check_number(
    unit: Unit,
    table: type[ContactMethod] | type[NotificationRule],
    user: User,
    most: int,
    called: str,
) -> None:
    counted = select(func.count()).select_from(table).where(table.user_id == user.id)
    if unit.session.execute(counted).scalar_one() >= most:
        raise Conflict(f"a user has at most {most} {called}", code="limit_reached")


def _snapshot(unit: Unit, row: ContactMethod) -> dict[str, Any]:
    return {**method_out(unit, row).model_dump(mode="json"), "secret": row.sealed}


def _rule_snapshot(row: NotificationRule) -> dict[str, Any]:
    return NotificationRuleOut.of(row).model_dump(mode="json")
