"""The users of schedules: names, contacts, and when they left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import select

from novaql.fast_dataclass import dataclass
from novaql.server.auth.user_access import DEACTIVATED
from novaql.server.db.batches import batches
from novaql.server.db.tables import User
from novaql.server.db.unit import Unit
from novaql.server.oncall.reading import FIRST
from novaql.server.oncall.tables import OncallDeparture


@dataclass(frozen=True, slots=True)
class Person:
    """A user as others reach them."""

    id: str
    name: str
    email: str


@dataclass(frozen=True, slots=True)
class People:
    """Some users by id.

    left  when users left; the ids of active users are missing
    """

    by_id: Mapping[str, Person]
    left: Mapping[str, datetime]

    def name(self, user_id: str) -> str:
        """The name of a user. An unknown id is its own name."""
        found = self.by_id.get(user_id)
        return user_id if found is None else found.name


def people_of(unit: Unit, ids: Iterable[str]) -> People:
    """Load users. Unknown users have always been away."""
    wanted = sorted(set(ids))
    found: dict[str, Person] = {}
    changed: dict[str, datetime] = {}
    for some in batches(wanted):
        for user in unit.session.execute(select(User).where(User.id.in_(some))).scalars():
            found[user.id] = Person(user.id, user.name or user.email, user.email)
            if user.status == DEACTIVATED:
                changed[user.id] = user.updated_at
    left = {key: FIRST for key in wanted if key not in found} | changed
    for some in batches(sorted(changed)):
        # Until the relay has passed the event on, the row of the user has the time.
        statement = select(OncallDeparture).where(OncallDeparture.user_id.in_(some))
        for row in unit.session.execute(statement).scalars():
            left[row.user_id] = row.at
    return People(found, left)
