"""Use cases of sessions."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import ColumnElement, select

from novaql.server.auth.cookies import SECRET_KIND
from novaql.server.auth.roles import Principal
from novaql.server.clock import rfc3339
from novaql.server.crypto.token_secrets import digest_of, new_secret
from novaql.server.db.tables import BrowserSession
from novaql.server.db.tenant_limits import check_limit
from novaql.server.db.unit import Unit
from novaql.server.errors import Impossible


def begin(
    unit: Unit, caller: Principal, token_secret: str, cookie: str
) -> tuple[BrowserSession, str]:
    """Open a session with a token. Return its row and the secret of the new cookie.

    cookie  the secret in the cookie that the browser has now, whose session ends; "": it has none
    """
    if caller.session_id is not None:
        raise Impossible("a session is opened with a token, not by a session", code="token_needed")
    _end(unit, BrowserSession.digest == digest_of(cookie))
    check_limit(unit, "max_sessions", BrowserSession, BrowserSession.expires_at > unit.now())
    secret = new_secret(SECRET_KIND)
    row = unit.new(
        BrowserSession,
        "ses",
        token_id=caller.id,
        token_digest=digest_of(token_secret),
        digest=digest_of(secret),
        expires_at=unit.now() + timedelta(seconds=unit.settings.session_s),
    )
    unit.session.add(row)
    unit.record(row, "session.create", None, snapshot)
    return row, secret


def of(unit: Unit, caller: Principal) -> BrowserSession | None:
    """The session of a request, if it has one."""
    return None if caller.session_id is None else unit.find(BrowserSession, caller.session_id)


def end(unit: Unit, caller: Principal) -> None:
    """End the session of a request, or all sessions of its token."""
    mine = (
        BrowserSession.token_id == caller.id
        if caller.session_id is None
        else BrowserSession.id == caller.session_id
    )
    if not _end(unit, mine):  # the attempt is in the log, too
        unit.audit("session.delete", ("token", caller.id))


def _end(unit: Unit, which: ColumnElement[bool]) -> int:
    wanted = select(BrowserSession).where(which).order_by(BrowserSession.id)
    rows = list(unit.session.execute(wanted.with_for_update()).scalars())
    for row in rows:
        unit.record(row, "session.delete", snapshot(row))
        unit.session.delete(row)
    return len(rows)


def snapshot(row: BrowserSession) -> dict[str, object]:
    """A session for the audit log, without digests."""
    return {"id": row.id, "token_id": row.token_id, "expires_at": rfc3339(row.expires_at)}
