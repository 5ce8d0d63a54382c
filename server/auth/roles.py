"""Roles, and who makes a request."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """Each role may do what the ones before it may."""

    READ_ONLY = "read_only"
    OPERATOR = "operator"
    ADMIN = "admin"

    def covers(self, needed: Role) -> bool:
        return _ORDER[self] >= _ORDER[needed]

    def at_most(self, other: Role) -> Role:
        """The lower of two roles."""
        return self if other.covers(self) else other


_ORDER = {role: number for number, role in enumerate(Role)}


@dataclass(frozen=True, slots=True)
class Principal:
    """Whom a request comes from.

    id           of the token
    name         of the token
    role         what the request may do: the token's role, and never more than its owner's
    api_version  what the token was issued for
    tenant_id, tenant_name   whose data the request sees; there is no way to see others'
    user_id, user_name       the owner: the actor of audit entries
    limits       settings that the tenant has otherwise
    purpose      `api`, or `scim` for a token that opens the SCIM base only
    """

    id: str
    name: str
    role: Role
    api_version: str
    tenant_id: str
    tenant_name: str
    user_id: str
    user_name: str
    purpose: str = "api"
    limits: tuple[tuple[str, float], ...] = ()
