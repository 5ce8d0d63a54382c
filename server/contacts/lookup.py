"""Look-ups of how to reach users."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from novaql.fast_dataclass import dataclass
from novaql.server.contacts.tables import ContactMethod, NotificationRule
from novaql.server.db.batches import batches
from novaql.server.db.unit import Unit


@dataclass(frozen=True, slots=True)
class Contact:
    """A contact method of a user, and the delay after which a page uses it."""

    method: ContactMethod
    delay_s: float


def contacts_of(unit: Unit, user_ids: Sequence[str]) -> dict[str, list[Contact]]:
    """The contacts of users, earliest first. Users without contact methods have none."""
    methods: dict[str, list[ContactMethod]] = {}
    rules: dict[str, list[NotificationRule]] = {}
    for some in batches(user_ids):
        found = select(ContactMethod).where(ContactMethod.user_id.in_(some))
        ordered = found.order_by(ContactMethod.created_at, ContactMethod.id)
        for method in unit.session.execute(ordered).scalars():
            methods.setdefault(method.user_id, []).append(method)
        wanted = select(NotificationRule).where(NotificationRule.user_id.in_(some))
        in_order = wanted.order_by(NotificationRule.delay_s, NotificationRule.id)
        for rule in unit.session.execute(in_order).scalars():
            rules.setdefault(rule.user_id, []).append(rule)
    contacts = {}
    for user_id, own in methods.items():
        by_id = {method.id: method for method in own}
        contacts[user_id] = [
            Contact(by_id[rule.contact_method_id], rule.delay_s)
            for rule in rules.get(user_id, ())
            if rule.contact_method_id in by_id
        ] or [Contact(method, 0.0) for method in own]
    return contacts
