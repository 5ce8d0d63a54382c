"""Use cases of tokens."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from sqlalchemy import select

from novaql.server.auth.roles import Principal, Role
from novaql.server.auth.tokens import issue, revoke, rotate
from novaql.server.db.tables import Token, User
from novaql.server.db.tenant_limits import check_limit
from novaql.server.db.unit import Unit
from novaql.server.errors import Impossible, impossible, not_found
from novaql.server.http.pagination import Key, Page, Pager
from novaql.server.tokens.schema import IssueToken, TokenOut, TokenQuery

KEYS = (Key(Token.created_at), Key(Token.id))


def find(unit: Unit, pages: Pager, query: TokenQuery) -> Page[Token]:
    """A page of the tokens that are not revoked, oldest first."""
    statement = select(Token).where(Token.revoked_at.is_(None))
    if query.owner is not None:
        statement = statement.where(Token.owner_id == query.owner)
    return pages.page(unit, statement, KEYS, query)


def owners(unit: Unit, tokens: Iterable[Token]) -> dict[str, User]:
    """The owners of tokens, by id."""
    ids = {token.owner_id for token in tokens}
    return {u.id: u for u in unit.session.execute(select(User).where(User.id.in_(ids))).scalars()}


def get(unit: Unit, token_id: str, *, lock: bool = False) -> Token:
    """Load a token that is not revoked."""
    token = unit.get(Token, token_id, "token", lock=lock)
    if token.revoked_at is not None:
        raise not_found("token", token_id, unit.tenant_name)
    return token


def create(unit: Unit, body: IssueToken, caller: Principal, api_version: str) -> tuple[Token, str]:
    """Create a token: the row and its secret. The default owner is the caller."""
    owner_id = caller.user_id if body.owner_id is None else body.owner_id
    # Locked, so that a deactivation that runs now revokes this token too, or rejects it.
    owner = unit.find(User, owner_id, lock=True)
    if owner is None or owner.status != "active":
        raise Impossible(f"there is no active user {owner_id}", code="owner_not_active")
    if (body.purpose == "probe") != (body.region is not None):
        message = "a token with the purpose probe, and no other, has a region"
        raise impossible("/region", message, "purpose_and_region")
    if body.expires_at is not None and body.expires_at <= unit.now():
        raise impossible("/expires_at", "must be in the future", "expired_already")
    live = (
        Token.revoked_at.is_(None),
        Token.expires_at.is_(None) | (Token.expires_at > unit.now()),
    )
    check_limit(unit, "max_tokens", Token, *live)
    token, secret = issue(
        unit.session,
        owner,
        name=body.name,
        role=Role(body.role),
        now=unit.now(),
        purpose=body.purpose,
        region=body.region,
        api_version=api_version,
        expires_at=body.expires_at,
    )
    unit.record(token, "token.create", None, partial(snapshot, owner=owner))
    return token, secret


def renew(unit: Unit, token_id: str) -> tuple[Token, str]:
    """Rotate the secret of a token; the old one stays valid for an hour."""
    token = unit.get(Token, token_id, "token", lock=True)
    owner = unit.get(User, token.owner_id, "user")
    before = snapshot(token, owner)
    secret = rotate(token, unit.now())
    unit.record(token, "token.rotate", before, partial(snapshot, owner=owner))
    return token, secret


def end(unit: Unit, token_id: str) -> None:
    """Revoke a token."""
    token = get(unit, token_id, lock=True)
    before = snapshot(token, unit.get(User, token.owner_id, "user"))
    revoke(token, unit.now())
    unit.record(token, "token.revoke", before)


def snapshot(token: Token, owner: User) -> dict[str, object]:
    """A token for the audit log: it shows that the secret changed, not the secret."""
    shown = TokenOut.of(token, owner).model_dump(mode="json", exclude={"last_used_at"})
    return {**shown, "secret": token.digest}
