"""Changes of a user's role and status, from the API or from an identity provider."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from novaql.server.auth.roles import Role
from novaql.server.auth.tokens import revoke_all_of
from novaql.server.db.tables import User
from novaql.server.db.tenant_limits import check_limit
from novaql.server.db.turns import take_turns
from novaql.server.db.unit import Unit
from novaql.server.errors import Conflict

ACTIVE, DEACTIVATED = "active", "deactivated"
DELETED = "deleted:"
"""Prefix of `email_key` after a deletion over SCIM: it frees the name, and the row remains."""


def check_new_user(unit: Unit) -> None:
    """Raise `limit_reached` unless the tenant may have one more user. Deactivated users count
    against a separate limit: their rows are retained, and deactivation always succeeds."""
    check_limit(unit, "max_users", User, User.status != DEACTIVATED)
    check_limit(unit, "max_former_users", User, User.status == DEACTIVATED)


def is_deleted(user: User) -> bool:
    """Return whether the identity provider has deleted a user. SCIM does not show the user, so the
    user must not become active again."""
    return user.email_key.startswith(DELETED)


def hold_access(unit: Unit) -> None:
    """Let no other unit change the access of users until this unit ends. A unit calls it before it
    locks a user: two administrators that deactivate each other would otherwise deadlock."""
    take_turns(unit, "access of users")


def set_access(unit: Unit, user: User, *, role: str, status: str) -> None:
    """Set the role and the status of a user, with all consequences. The unit holds the access.

    Deactivation revokes every token and the invitation of the user. Raises `Conflict` `last_admin`
    if the tenant would have no active administrator left, `limit_reached` if it has the largest
    number of users already.
    """
    was, becomes = _is_active_admin(user.status, user.role), _is_active_admin(status, role)
    if was and not becomes and not _other_admins(unit.session, user.id):
        raise Conflict("the tenant needs one active administrator", code="last_admin")
    if user.status == DEACTIVATED and status != DEACTIVATED:
        check_limit(unit, "max_users", User, User.status != DEACTIVATED)
    leaves = status == DEACTIVATED and user.status != DEACTIVATED
    user.role, user.status = role, status
    if leaves:
        user.invitation = user.invitation_expires_at = None
        revoke_all_of(unit.session, user.id, unit.now())
        unit.publish("user.deactivated", {"user_id": user.id, "name": user.name})


def _is_active_admin(status: str, role: str) -> bool:
    return status == ACTIVE and role == Role.ADMIN


def _other_admins(session: Session, user_id: str) -> bool:
    others = select(User.id).where(
        User.role == Role.ADMIN.value, User.status == ACTIVE, User.id != user_id
    )
    return session.execute(others.limit(1)).first() is not None
