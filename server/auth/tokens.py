"""Issue, rotate and revoke tokens. The secret is shown once; the database stores its digest."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from novaql.server.auth.roles import Role
from novaql.server.crypto.token_secrets import digest_of, new_secret, prefix_of
from novaql.server.db.tables import Token, User
from novaql.server.errors import Conflict, Impossible
from novaql.server.ids import new_id
from novaql.server.versions import CURRENT

OVERLAP = timedelta(hours=1)
"""How long the previous secret remains valid after a rotation."""


def issue(
    session: Session,
    owner: User,
    *,
    name: str,
    role: Role,
    now: datetime,
    purpose: str = "api",
    region: str | None = None,
    api_version: str = CURRENT,
    expires_at: datetime | None = None,
) -> tuple[Token, str]:
    """Create a token. Return it and its secret, which cannot be read again.

    Raises `Impossible` for a role above the owner's.
    """
    if not Role(owner.role).covers(role):
        raise Impossible(
            f"the owner is {owner.role}; a token of theirs cannot be {role.value}",
            code="role_above_owner",
        )
    secret = new_secret(role.value if purpose == "api" else purpose)
    token = Token(
        id=new_id("tok"),
        tenant_id=owner.tenant_id,
        created_at=now,
        name=name,
        role=role.value,
        owner_id=owner.id,
        prefix=prefix_of(secret),
        digest=digest_of(secret),
        api_version=api_version,
        purpose=purpose,
        region=region,
        expires_at=expires_at,
    )
    session.add(token)
    return token, secret


def rotate(token: Token, now: datetime) -> str:
    """Create and return a new secret of a token. The previous secret remains valid for an hour.

    A second rotation within that hour invalidates the oldest secret: at most two are valid. Raises
    `Conflict` for a token that is revoked or has expired.
    """
    if token.revoked_at is not None:
        raise Conflict("the token is revoked; it cannot be rotated", code="token_revoked")
    if token.expires_at is not None and token.expires_at <= now:
        raise Conflict("the token has expired; it cannot be rotated", code="token_expired")
    secret = new_secret(token.role if token.purpose == "api" else token.purpose)
    token.previous, token.previous_valid_until = token.digest, now + OVERLAP
    token.digest, token.prefix = digest_of(secret), prefix_of(secret)
    return secret


def revoke(token: Token, now: datetime) -> None:
    """Revoke a token. Every process rejects it from its next request on."""
    token.revoked_at = now
    token.previous = token.previous_valid_until = None


def revoke_all_of(session: Session, user_id: str, now: datetime) -> list[Token]:
    """Revoke every token of a user. Return those that were valid until now."""
    statement = select(Token).where(Token.owner_id == user_id, Token.revoked_at.is_(None))
    tokens = list(session.execute(statement).scalars())
    for token in tokens:
        revoke(token, now)
    return tokens
