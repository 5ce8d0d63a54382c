"""Request and response models of contact methods and notification rules."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field

from novaql.server.contacts.tables import NotificationRule
from novaql.server.http.pagination import PageQuery
from novaql.server.http.shapes import (
    Body,
    Duration,
    Listed,
    Name,
    ResponseModel,
    Timestamp,
    example,
)
from novaql.server.notifications.schema import Address, SlackSettings, WebhookSettings

MethodType = Literal["email", "webhook", "slack", "sink"]


class MailAddress(Body):
    """An address. Mail goes through the mail server of the tenant's oldest channel of type
    `email`."""

    address: Address | None = Field(None, description="absent: the address of the user")


class MakeContactMethod(Body):
    """A contact method, with exactly the settings of its type. A `sink` has none."""

    model_config = example({"name": "log", "type": "sink"})

    name: Name
    type: MethodType
    webhook: WebhookSettings | None = None
    slack: SlackSettings | None = None
    email: MailAddress | None = Field(None, description="optional")


class ContactMethodOut(ResponseModel):
    """A contact method without its secrets."""

    settled = True

    id: str
    user_id: str
    name: str
    type: MethodType
    settings: dict[str, Any] = Field(description="`url` is shown as scheme and host")
    secrets: list[str] = Field(description="names of the stored secrets")
    created_at: Timestamp
    updated_at: Timestamp
    version: int


class ContactMethodsOut(Listed[ContactMethodOut]):
    """A page of contact methods."""


class MakeNotificationRule(Body):
    """When pages use a contact method."""

    model_config = example({"contact_method_id": "ctm_00000000000000000000000000", "delay": "5m"})

    contact_method_id: Annotated[str, Field(min_length=1, max_length=64)]
    delay: Duration | None = Field(
        None,
        description="unless the page is acknowledged before; at most 24h; absent: at once",
    )


class NotificationRuleOut(ResponseModel):
    """A notification rule."""

    id: str
    user_id: str
    contact_method_id: str
    delay: Duration
    created_at: Timestamp
    updated_at: Timestamp
    version: int

    @classmethod
    def of(cls, row: NotificationRule) -> NotificationRuleOut:
        """The response model of a row."""
        return cls.of_row(row, delay=timedelta(seconds=row.delay_s))


class NotificationRulesOut(Listed[NotificationRuleOut]):
    """A page of notification rules."""


class ContactQuery(PageQuery):
    """The page of the list, oldest first."""
