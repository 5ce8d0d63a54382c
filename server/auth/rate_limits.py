"""Quotas: the number of requests that a token or tenant may make, counted over all processes in the
database.

A quota is a moving window that consists of slices. A slice counts until its start has left the
window. A client that waits for one window is therefore always admitted again, and a client can
exceed a quota by one slice at most.

Most requests cause no write. A process that sees many requests for a key acquires several requests
of the quota at a time. It spends them within a slice or a few seconds, and returns the rest. If
a process is killed, its acquired requests count as spent.

SQLite has one writer at a time. The counts are therefore in a separate file, so that counting does
not wait for transactions of the state database. PostgreSQL locks the row of the key only.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.exc import DatabaseError, IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.schema import CreateTable

from novaql.fast_dataclass import dataclass
from novaql.server.clock import Clock, from_ms, to_ms
from novaql.server.db.engine import StateDatabase
from novaql.server.db.tables import RateWindow
from novaql.server.errors import RateLimited, Unavailable
from novaql.server.settings import Settings

log = logging.getLogger(__name__)
_MOST_AT_ONCE = 64
_PART_AT_ONCE = 64
"""Requests that a process acquires together: `_MOST_AT_ONCE`, or 1/64 of a large quota of less than
a day, since each write takes as long as the rest of several requests."""
_FREE_PART = 8
"""A process acquires at most 1/8 of what is free, so that other processes do not reject requests
early."""
_DAY_S = 86_400
_MOST_KEYS = 10_000
_SPEND_MS = 2_000
_SKEW_MS = 5_000
"""The largest difference between clocks of processes. A count that is further in the future dates
from before a clock was set back, and is ignored."""


@dataclass(frozen=True, slots=True)
class Quota:
    """At most `limit` requests in any `window_s` seconds for each key; 0: unlimited."""

    name: str
    limit: int
    window_s: int
    slice_ms: int


def quota_plan(settings: Settings) -> dict[str, tuple[Quota, ...]]:
    """Return the quotas of each kind of endpoint, and of sessions. Quotas of a minute apply to a
    token, others to a tenant."""
    api = (
        Quota("minute", settings.rate_per_minute, 60, 250),
        Quota("day", settings.rate_per_day, 86_400, 600_000),
    )
    prometheus = (Quota("prometheus", settings.prometheus_per_minute, 60, 1000),)
    session = (Quota("session", settings.session_per_minute, 60, 250),)
    probes = (Quota("probes", settings.probes_per_minute, 60, 1000),)
    return {
        "api": tuple(quota for quota in api if quota.limit),
        "prometheus": tuple(quota for quota in prometheus if quota.limit),
        "session": tuple(quota for quota in session if quota.limit),
        "probes": tuple(quota for quota in probes if quota.limit),
    }


@dataclass(slots=True)
class _Taken:
    """Requests of a key that this process has acquired and not yet spent, and their expiry."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    spare: int = 0
    slice: int = 0
    until_ms: int = 0
    last_ms: int = 0
    batch: int = 0
    left: int = 0
    reset_ms: int = 0
    past_ms: int = 0
    """When `slice` has left the window: `spare` need not be released from then on."""


@dataclass(frozen=True, slots=True)
class QuotaState:
    """State of a quota after a request: the requests that are left, and the seconds until there are
    more."""

    quota: Quota
    left: int
    reset_s: int


class Quotas:
    """Spends requests of quotas. Thread-safe.

    database   stores the counts in a table of `RateWindow`
    owned      whether `close` closes the database
    most_keys  the number of keys in memory from which those without acquired requests are dropped
    """

    def __init__(
        self,
        database: StateDatabase,
        clock: Clock,
        *,
        owned: bool = False,
        most_keys: int = _MOST_KEYS,
    ) -> None:
        self._database = database
        self._owned = owned
        self._clock = clock
        self._lock = threading.Lock()
        self._taken: dict[tuple[str, str], _Taken] = {}
        self._most_keys = self._drop_at = most_keys

    def spend_at_once(self, wanted: Sequence[tuple[Quota, str]]) -> list[QuotaState] | None:
        """Spend one request of each quota for its key. None if this requires a read of the
        database."""
        states, lacking = self._spend(wanted, refill=False)
        return states if lacking is None else None

    def spend(self, wanted: Sequence[tuple[Quota, str]]) -> list[QuotaState]:
        """Spend one request of each quota for its key. Raises `RateLimited`; no quota is spent
        then."""
        states, lacking = self._spend(wanted, refill=True)
        if lacking is not None:
            raise limited([*states, lacking], [quota for quota, _ in wanted])
        return states

    def _spend(
        self, wanted: Sequence[tuple[Quota, str]], *, refill: bool
    ) -> tuple[list[QuotaState], QuotaState | None]:
        """Return the states of the quotas, and that of the first one without a request. If there is
        one, no quota is spent."""
        now = to_ms(self._clock.now())
        spent: list[tuple[Quota, _Taken]] = []
        lacking = None
        for quota, key in wanted:
            taken = self._of(quota, key)
            with taken.lock:
                ready = taken.spare > 0 and taken.last_ms <= now <= taken.until_ms
                if refill and not ready:
                    self._take(quota, key, taken, now)
                    ready = taken.spare > 0
                if not ready:
                    lacking = _state_of(quota, taken, now)
                    break
                taken.spare -= 1
            spent.append((quota, taken))
        if lacking is not None:
            for _, earlier in spent:
                with earlier.lock:
                    earlier.spare += 1
        return [_state_of(quota, taken, now) for quota, taken in spent], lacking

    def forget(self, before: datetime) -> None:
        """Delete the counts of keys without a request since `before`."""
        with self._database.write(None, durability="relaxed", visible=False) as session:
            session.execute(delete(RateWindow).where(RateWindow.updated_at <= before))

    def close(self) -> None:
        """Return unspent requests, and close the database if `owned`."""
        self.release()
        if self._owned:
            self._database.close()

    def release(self) -> None:
        """Return unspent requests before the process ends."""
        with self._lock:
            everything, self._taken = self._taken, {}
        held = {name: taken for name, taken in everything.items() if taken.spare}
        if not held:
            return
        with self._database.write(None, durability="relaxed", visible=False) as session:
            for (_, key), taken in held.items():
                row = _locked(session, key)
                if row is not None:
                    row.counts = _less(row.counts, taken.slice, taken.spare)
                taken.spare = 0

    def _of(self, quota: Quota, key: str) -> _Taken:
        name = (quota.name, f"{quota.name}:{key}")
        found = self._taken.get(name)
        if found is None:
            with self._lock:
                if len(self._taken) >= self._drop_at:
                    self._drop_idle()
                found = self._taken.setdefault(name, _Taken())
        return found

    def _drop_idle(self) -> None:
        """Drop the keys that have nothing to spend and nothing to release."""
        now = to_ms(self._clock.now())
        self._taken = {
            name: taken
            for name, taken in self._taken.items()
            if now <= taken.until_ms or (taken.spare and now < taken.past_ms)
        }
        self._drop_at = max(self._most_keys, 2 * len(self._taken))

    def _take(self, quota: Quota, key: str, taken: _Taken, now_ms: int) -> None:
        """Refill `taken` from the database, up to the limit of the quota."""
        key = f"{quota.name}:{key}"
        brisk = taken.last_ms <= now_ms <= taken.until_ms  # the last ones were spent in time
        wanted = min(_most_at_once(quota), max(1, taken.batch * 2)) if brisk else 1
        slice_ms = quota.slice_ms
        here = now_ms // slice_ms
        oldest = (now_ms - quota.window_s * 1000) // slice_ms + 1
        latest = (now_ms + _SKEW_MS) // slice_ms
        try:
            with self._database.write(None, durability="relaxed", visible=False) as session:
                row = _locked(session, key) or _created(session, key, from_ms(now_ms))
                counts = _less(row.counts, taken.slice, taken.spare)
                counts = [pair for pair in counts if oldest <= pair[0] <= latest]
                free = max(0, quota.limit - sum(count for _, count in counts))
                got = min(free, wanted, max(1, free // _FREE_PART))
                if got:
                    counts = _more(counts, here, got)
                row.counts = counts
                row.updated_at = from_ms(now_ms)
        except Unavailable:
            # A read-only database must not block requests that only read.
            log.warning("requests are not counted: the database cannot be written")
            got, free, counts = 1, quota.limit, []
        first = counts[0][0] if counts else here
        taken.spare, taken.slice, taken.batch = got, here, got
        taken.left = free - got
        taken.last_ms = now_ms
        taken.until_ms = now_ms + min(_SPEND_MS, slice_ms * 4)
        taken.reset_ms = first * slice_ms + quota.window_s * 1000
        taken.past_ms = (here + 1) * slice_ms + quota.window_s * 1000


def open_quotas(state: StateDatabase, clock: Clock) -> Quotas:
    """Open the quotas of a server in a file beside its database. If there is no place for that
    file, the counts are in the database itself."""
    if not state.is_sqlite or state.is_fallback or not state.url.database:
        return Quotas(state, clock)
    beside = Path(state.url.database)
    database = StateDatabase(
        f"sqlite:///{beside.with_name(f'{beside.stem}-quotas.db')}", durable=False
    )
    try:
        with database.engine.execution_options(immediate=True).begin() as connection:
            table = RateWindow.metadata.tables[RateWindow.__tablename__]
            connection.execute(CreateTable(table, if_not_exists=True))  # concurrent starts
    except DatabaseError as problem:
        database.close()
        log.warning("quotas are counted in the server's database: %s", problem.orig)
        return Quotas(state, clock)
    return Quotas(database, clock, owned=True)


def limited(states: Sequence[QuotaState], policy: Sequence[Quota] = ()) -> RateLimited:
    """Return the error for a used-up quota, the last of `states`. `policy`: every quota."""
    worst = states[-1]
    return RateLimited(
        f"the quota of {worst.quota.limit} requests in {worst.quota.window_s} s is used up; "
        f"try again in {worst.reset_s} s",
        headers={"Retry-After": str(worst.reset_s), **rate_headers(states, policy)},
    )


def rate_headers(states: Sequence[QuotaState], policy: Sequence[Quota] = ()) -> Mapping[str, str]:
    """Return the RateLimit and RateLimit-Policy headers of the IETF HTTPAPI draft."""
    quotas = policy or [s.quota for s in states]
    policy_text = ", ".join(
        f'"{quota.name}";q={quota.limit};w={quota.window_s}' for quota in quotas
    )
    shown = ", ".join(f'"{s.quota.name}";r={s.left};t={s.reset_s}' for s in states)
    return {"RateLimit-Policy": policy_text, "RateLimit": shown} if states else {}


def _most_at_once(quota: Quota) -> int:
    part = quota.limit // _PART_AT_ONCE if quota.window_s < _DAY_S else 0
    return max(_MOST_AT_ONCE, part)


def _state_of(quota: Quota, taken: _Taken, now_ms: int) -> QuotaState:
    seconds = max(1, math.ceil((taken.reset_ms - now_ms) / 1000))
    return QuotaState(quota, max(0, taken.left + taken.spare), seconds)


def _locked(session: Session, key: str) -> RateWindow | None:
    return session.execute(
        select(RateWindow).where(RateWindow.key == key).with_for_update()
    ).scalar_one_or_none()


def _created(session: Session, key: str, at: datetime) -> RateWindow:
    """Create the row of a key, or lock the one that another process creates now."""
    with suppress(IntegrityError), session.begin_nested():
        session.add(RateWindow(key=key, counts=[], updated_at=at))
    row = _locked(session, key)
    assert row is not None
    return row


def _more(counts: list[Any], slice_: int, count: int) -> list[Any]:
    if counts and counts[-1][0] == slice_:
        return [*counts[:-1], [slice_, counts[-1][1] + count]]
    return [*counts, [slice_, count]]


def _less(counts: list[Any], slice_: int, count: int) -> list[Any]:
    if not count:
        return list(counts)
    changed = [[at, n - count if at == slice_ else n] for at, n in counts]
    return [pair for pair in changed if pair[1] > 0]
