"""Use cases of users."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select

from novaql.server.auth.user_access import (
    ACTIVE,
    DEACTIVATED,
    check_new_user,
    hold_access,
    is_deleted,
    set_access,
)
from novaql.server.crypto.token_secrets import digest_of, new_secret
from novaql.server.db.engine import flushed_or
from novaql.server.db.tables import User
from novaql.server.db.unit import Unit
from novaql.server.errors import Conflict, not_found
from novaql.server.http.pagination import Key, Page, Pager, equal_to
from novaql.server.users.schema import ChangeUser, InviteUser, UserOut, UserQuery

INVITED = "invited"
INVITATION_VALID = timedelta(days=7)
KEYS = (Key(User.created_at), Key(User.id))


def find(unit: Unit, pages: Pager, query: UserQuery) -> Page[User]:
    """A page of users, oldest first."""
    statement = select(User).where(*equal_to(User, query, "status", "role"))
    if query.email is not None:
        statement = statement.where(User.email_key == query.email.casefold())
    return pages.page(unit, statement, KEYS, query)


def get(unit: Unit, user_id: str, *, lock: bool = False) -> User:
    """Load a user that is not deactivated."""
    user = unit.get(User, user_id, "user", lock=lock)
    if user.status == DEACTIVATED:
        raise not_found("user", user_id, unit.tenant_name)
    return user


def invite(unit: Unit, body: InviteUser) -> tuple[User, str]:
    """Create a user: the row, and the secret of the invitation. Raises `Conflict` `user_exists`."""
    check_new_user(unit)
    user = unit.new(
        User,
        "usr",
        email=body.email,
        email_key=body.email.casefold(),
        name=body.name or body.email.partition("@")[0],
        role=body.role,
        status=INVITED,
    )
    secret = _invitation(user, unit.now())
    taken = Conflict(f"there is a user with the address {body.email}", code="user_exists")
    with flushed_or(unit.session, taken):
        unit.session.add(user)
    unit.record(user, "user.create", None, snapshot)
    return user, secret


def invite_again(unit: Unit, user_id: str) -> tuple[User, str]:
    """Create a new invitation, which invalidates the old one."""
    user = get(unit, user_id, lock=True)
    if user.status != INVITED:
        raise Conflict("the user has accepted already", code="user_active")
    before = snapshot(user)
    secret = _invitation(user, unit.now())
    unit.record(user, "user.invite", before, snapshot)
    return user, secret


def accept(unit: Unit, user: User, name: str | None) -> None:
    """Make an invited user active."""
    before = snapshot(user)
    user.status = ACTIVE
    user.invitation = user.invitation_expires_at = None
    user.name = name or user.name
    unit.record(user, "user.accept", before, snapshot)


def change(unit: Unit, user_id: str, body: ChangeUser, expected: int | None) -> User:
    """Change name or role, or reactivate a user that the identity provider has not deleted."""
    hold_access(unit)
    user = unit.get(User, user_id, "user", lock=True)
    unit.expect(user, expected)
    if is_deleted(user) or (user.status == DEACTIVATED and body.status is None):
        raise not_found("user", user_id, unit.tenant_name)
    if user.status == INVITED and body.status is not None:
        raise Conflict("an invited user becomes active by accepting", code="user_invited")
    before = snapshot(user)
    role, status = body.role or user.role, body.status or user.status
    set_access(unit, user, role=role, status=status)
    user.name = body.name or user.name
    action = "user.change_role" if role != before["role"] else "user.update"
    unit.record(user, action, before, snapshot)
    return user


def deactivate(unit: Unit, user_id: str) -> User:
    """Deactivate a user: the server rejects all tokens of the user from the next request on."""
    hold_access(unit)
    user = get(unit, user_id, lock=True)
    before = snapshot(user)
    set_access(unit, user, role=user.role, status=DEACTIVATED)
    unit.record(user, "user.deactivate", before, snapshot)
    return user


def snapshot(user: User) -> dict[str, object]:
    """A user for the audit log."""
    shown = UserOut.model_validate(user).model_dump(mode="json", exclude={"last_active_at"})
    return {**shown, "invitation_secret": user.invitation}


def _invitation(user: User, now: datetime) -> str:
    secret = new_secret("invitation")
    user.invitation, user.invitation_expires_at = digest_of(secret), now + INVITATION_VALID
    return secret
