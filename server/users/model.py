"""The states of a user, and what follows from them. Pure."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum


class Status(StrEnum):
    """An invited user has no token yet; a deactivated one has none that works."""

    INVITED = "invited"
    ACTIVE = "active"
    DEACTIVATED = "deactivated"


INVITATION_VALID = timedelta(days=7)
