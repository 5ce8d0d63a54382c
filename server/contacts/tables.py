"""The tables of contact methods and notification rules."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from novaql.server.db.columns import Id, String, Text, sealed_for
from novaql.server.db.rows import Base, Row


class ContactMethod(Row, Base):
    """A way to reach a user: `email`, `webhook`, `slack` or `sink`.

    settings  everything that is not a secret
    sealed    URL and token as sealed JSON; "" for none
    """

    __tablename__ = "contact_methods"

    user_id: Mapped[str] = mapped_column(Id, ForeignKey("users.id"), index=True)
    name: Mapped[str] = mapped_column(String(200))
    type: Mapped[str] = mapped_column(String(16))
    settings: Mapped[dict[str, Any]]
    sealed: Mapped[str] = mapped_column(Text, default="", info=sealed_for("contact:{id}:secrets"))


class NotificationRule(Row, Base):
    """When a page uses a contact method: after a delay, unless it is acknowledged before."""

    __tablename__ = "notification_rules"
    __table_args__ = (
        UniqueConstraint("contact_method_id", "delay_s", name="uq_notification_rules_delay"),
    )

    user_id: Mapped[str] = mapped_column(Id, ForeignKey("users.id"), index=True)
    contact_method_id: Mapped[str] = mapped_column(Id, ForeignKey("contact_methods.id"))
    delay_s: Mapped[float]
