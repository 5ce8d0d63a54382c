"""Roles and principals."""

from __future__ import annotations

from enum import StrEnum

from novaql.fast_dataclass import dataclass


class Role(StrEnum):
    """Roles in ascending order: each has the permissions of the ones before it."""

    READ_ONLY = "read_only"
    OPERATOR = "operator"
    ADMIN = "admin"

    def covers(self, needed: Role) -> bool:
        return _ORDER[self] >= _ORDER[needed]

    def at_most(self, other: Role) -> Role:
        """Return the lower of two roles."""
        return self if other.covers(self) else other


_ORDER = {role: number for number, role in enumerate(Role)}


@dataclass(frozen=True, slots=True)
class Principal:
    """The authenticated sender of a request.

    id           of the token
    name         of the token
    role         the token's role, or its owner's if that is lower
    api_version  the API version that the token was issued for
    tenant_id, tenant_name   the tenant whose data the request can access; no other is accessible
    user_id, user_name       the owner: the actor of audit entries
    limits       settings that this tenant overrides
    purpose      `api`, `scim` for a token that is valid for the SCIM base only, or `probe` for that
                 of a runner of synthetic checks, which can only claim runs and report them
    region       of a token for a runner; None for others
    session_id   of the session that the request belongs to; None: it has a token
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
    region: str | None = None
    limits: tuple[tuple[str, float], ...] = ()
    session_id: str | None = None
