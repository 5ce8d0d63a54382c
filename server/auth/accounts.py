"""The principal of a token or a session, looked up for every request.

A revoked token, an ended session, a deactivated owner or a lowered role takes effect with the next
request, in every process: a cached principal is valid only while the tables that it was read from
are unchanged. Reading the versions of the tables takes a quarter of the look-up's time over
PostgreSQL, and nothing over SQLite.
"""

from __future__ import annotations

import threading
from datetime import datetime
from operator import itemgetter
from typing import Any

from sqlalchemy import select, update

from novaql.fast_dataclass import dataclass
from novaql.server.auth.cookies import is_session_secret
from novaql.server.auth.roles import Principal, Role
from novaql.server.clock import Clock
from novaql.server.crypto.token_secrets import digest_of, is_well_formed
from novaql.server.db.engine import StateDatabase, tables_used
from novaql.server.db.row_versions import RowVersions, bump
from novaql.server.db.rows import Tenant
from novaql.server.db.tables import BrowserSession, Token, User

_CACHED = 4096
_OF_TOKEN: Any = (
    select(Token, User, Tenant)
    .join(User, User.id == Token.owner_id)
    .join(Tenant, Tenant.id == Token.tenant_id)
)
_OF_SESSION: Any = _OF_TOKEN.add_columns(BrowserSession).join(
    BrowserSession, BrowserSession.token_id == Token.id
)


@dataclass(frozen=True, slots=True)
class _CachedPrincipal:
    """A cached principal, its expiry, and the versions of the tenant's rows that it was read at.

    tables  the tables that it was read from
    """

    principal: Principal
    until: datetime | None
    versions: RowVersions
    tables: frozenset[str]


class Accounts:
    """Finds principals by secret. Safe to use from several threads."""

    def __init__(self, database: StateDatabase, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._cached: dict[str, _CachedPrincipal] = {}
        self._uses: dict[str, tuple[Principal, datetime]] = {}

    def remembered(self, secret: str) -> Principal | None:
        """Return the principal of a secret if the cache has a valid one, without waiting: always
        None over PostgreSQL."""
        return self._from_cache(digest_of(secret)) if self._database.is_sqlite else None

    def find(self, secret: str) -> Principal | None:
        """Return the principal of a secret; None if no valid token has this secret."""
        if not is_well_formed(secret):
            return None
        # The look-up uses a digest of 256 random bits, so its timing reveals nothing about a
        # secret.
        digest = digest_of(secret)
        found = self._from_cache(digest)
        if found is not None:
            return found
        cached = self._look_up(digest, by_session=is_session_secret(secret))
        with self._lock:
            self._cached.pop(digest, None)
            if cached is not None:
                if len(self._cached) >= _CACHED:
                    self._cached.clear()
                self._cached[digest] = cached
        return self._if_valid(cached)

    def note_use(self, principal: Principal) -> None:
        """Record in memory that a token was used now; `write_uses` stores it."""
        now = self._clock.now()
        with self._lock:
            self._uses[principal.id] = principal, now

    def write_uses(self) -> None:
        """Store the times at which tokens were last used, to the minute, in one transaction."""
        with self._lock:
            uses, self._uses = self._uses, {}
        if not uses:
            return
        used, active, tenants = dict[str, datetime](), dict[str, datetime](), set[str]()
        for principal, now in sorted(uses.values(), key=itemgetter(1)):
            minute = now.replace(second=0, microsecond=0)
            used[principal.id] = active[principal.user_id] = minute
            tenants.add(principal.tenant_id)
        with self._database.write(None, durability="relaxed", visible=False) as session:
            changed = set()
            # Lock order: users, then tokens, as a deactivation, each in order of ids.
            for column, times in ((User.last_active_at, active), (Token.last_used_at, used)):
                table = column.class_
                for key, at in sorted(times.items()):
                    earlier = column.is_(None) | (column < at)
                    later = update(table).where(table.id == key, earlier).values({column: at})
                    if session.execute(later.returning(table.id)).first() is not None:
                        changed.add(table.__tablename__)
            for tenant_id in sorted(tenants) if changed else ():
                bump(session, tenant_id, sorted(changed))

    def _from_cache(self, digest: str) -> Principal | None:
        with self._lock:
            cached = self._cached.get(digest)
        if cached is None:
            return None
        now = self._database.versions_of(cached.principal.tenant_id)
        if now is None or not cached.versions.same(now, cached.tables):
            return None
        return self._if_valid(cached)

    def _look_up(self, digest: str, *, by_session: bool) -> _CachedPrincipal | None:
        statement = _OF_SESSION if by_session else _OF_TOKEN
        statement = statement.where(
            BrowserSession.digest == digest
            if by_session
            else (Token.digest == digest) | (Token.previous == digest)
        )
        with self._database.read(None) as session:
            row = session.execute(statement).one_or_none()
            if row is None:
                return None
            token, owner, tenant, opened = row if by_session else (*row, None)
            tables = frozenset(tables_used(session).read)
            versions = self._database.versions_in(session, tenant.id)
        if token.revoked_at is not None or owner.status != "active":
            return None
        ends, used = [token.expires_at], digest
        if opened is not None:
            ends.append(opened.expires_at)
            used = opened.token_digest
        if used not in (token.digest, token.previous):
            return None  # the secret that opened the session is rotated away
        if used != token.digest:
            ends.append(token.previous_valid_until)
        principal = Principal(
            token.id,
            token.name,
            Role(token.role).at_most(Role(owner.role)),
            token.api_version,
            tenant.id,
            tenant.name,
            owner.id,
            owner.email,
            token.purpose,
            token.region,
            tenant.limits,
            None if opened is None else opened.id,
        )
        until = min((end for end in ends if end is not None), default=None)
        return _CachedPrincipal(principal, until, versions, tables)

    def _if_valid(self, cached: _CachedPrincipal | None) -> Principal | None:
        if cached is None or (cached.until is not None and cached.until <= self._clock.now()):
            return None
        return cached.principal
