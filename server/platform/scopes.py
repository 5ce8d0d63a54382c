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
        order = list(Role)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True, slots=True)
class Principal:
    """Whom a request comes from. `api_version` is what its token was issued for."""

    id: str
    name: str
    role: Role
    api_version: str
