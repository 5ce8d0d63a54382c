"""The states of a user."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum


class Status(StrEnum):
    """An invited user has no token yet; the server rejects all tokens of a deactivated one."""

    INVITED = "invited"
    ACTIVE = "active"
    DEACTIVATED = "deactivated"


INVITATION_VALID = timedelta(days=7)
