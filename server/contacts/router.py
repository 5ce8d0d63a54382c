"""/v1/users/{id}/contact-methods and /v1/users/{id}/notification-rules."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query, Request, Response

from novaql.server.contacts import service
from novaql.server.contacts.schema import (
    ContactMethodOut,
    ContactMethodsOut,
    ContactQuery,
    MakeContactMethod,
    MakeNotificationRule,
    NotificationRuleOut,
    NotificationRulesOut,
)
from novaql.server.http.dependencies import (
    OPERATOR,
    READ_ONLY,
    Caller,
    Pages,
    ResourceId,
    UnitOfWork,
)
from novaql.server.http.preparing import checked
from novaql.server.http.routing import api_router, audited, cached

router = api_router("/v1/users", "users")


async def checked_method(request: Request, body: MakeContactMethod) -> None:
    """Check the target of a new contact method."""
    await checked(request, body, lambda run: service.check_targets(run.context, body))


@router.get("/{id}/contact-methods", dependencies=[READ_ONLY])
@cached(by="rows")
def list_contact_methods(
    unit: UnitOfWork,
    pages: Pages,
    caller: Caller,
    id: ResourceId,
    query: Annotated[ContactQuery, Query()],
) -> ContactMethodsOut:
    """The contact methods of a user, without their secrets. 403 for those of others, except for
    administrators."""
    page = service.find(unit, pages, service.user_of(unit, id, caller), query)
    return ContactMethodsOut.of(page, lambda row: service.method_out(unit, row))


@router.post(
    "/{id}/contact-methods", status_code=201, dependencies=[OPERATOR, Depends(checked_method)]
)
@audited("contact_method.create")
def create_contact_method(
    unit: UnitOfWork, caller: Caller, id: ResourceId, body: MakeContactMethod, response: Response
) -> ContactMethodOut:
    """Create a contact method, by which pages reach the user.

    Its type is a webhook, an incoming webhook of Slack, mail, or a sink, whose pages only this API
    returns. The server rejects targets that are not public. 403 for users other than oneself,
    except for administrators. A user has at most 10 contact methods.
    """
    row = service.create(unit, service.user_of(unit, id, caller, lock=True), body)
    response.headers["Location"] = f"/v1/users/{id}/contact-methods"
    return service.method_out(unit, row)


@router.delete("/{id}/contact-methods/{method_id}", status_code=204, dependencies=[OPERATOR])
@audited("contact_method.delete")
def delete_contact_method(
    unit: UnitOfWork, caller: Caller, id: ResourceId, method_id: ResourceId
) -> None:
    """Delete a contact method with its notification rules. Pages to it that wait fail."""
    service.remove(unit, service.user_of(unit, id, caller, lock=True), method_id)


@router.get("/{id}/notification-rules", dependencies=[READ_ONLY])
@cached(by="rows")
def list_notification_rules(
    unit: UnitOfWork,
    pages: Pages,
    caller: Caller,
    id: ResourceId,
    query: Annotated[ContactQuery, Query()],
) -> NotificationRulesOut:
    """The notification rules of a user. Without any, pages use all contact methods at once."""
    page = service.find_rules(unit, pages, service.user_of(unit, id, caller), query)
    return NotificationRulesOut.of(page, NotificationRuleOut.of)


@router.post("/{id}/notification-rules", status_code=201, dependencies=[OPERATOR])
@audited("notification_rule.create")
def create_notification_rule(
    unit: UnitOfWork, caller: Caller, id: ResourceId, body: MakeNotificationRule
) -> NotificationRuleOut:
    """Create a notification rule: pages use the contact method after the delay, unless the incident
    is acknowledged before. With rules, pages use no other methods. A user has at most 20 rules."""
    user = service.user_of(unit, id, caller, lock=True)
    return NotificationRuleOut.of(service.create_rule(unit, user, body))


@router.delete("/{id}/notification-rules/{rule_id}", status_code=204, dependencies=[OPERATOR])
@audited("notification_rule.delete")
def delete_notification_rule(
    unit: UnitOfWork, caller: Caller, id: ResourceId, rule_id: ResourceId
) -> None:
    """Delete a notification rule."""
    service.remove_rule(unit, service.user_of(unit, id, caller, lock=True), rule_id)
