"""The states of a user, and what follows from them. Pure."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

from server.platform.scopes import Role


class Status(StrEnum):
    """An invited user has no token yet; a deactivated one has none that works."""

    INVITED = "invited"
    ACTIVE = "active"
    DEACTIVATED = "deactivated"


INVITATION_VALID = timedelta(days=7)


def is_active_admin(status: str, role: str) -> bool:
    """Whether such a user can look after the tenant."""
    return status == Status.ACTIVE and role == Role.ADMIN
