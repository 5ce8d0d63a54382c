"""How many requests a token and a tenant may make, counted for all processes in the database.

A quota is a moving window, kept in slices: a slice counts until its start has left the window. So a
client that waits as long as the window is always let in again, and the most that can be gained is a
slice.

Counting does not write for every request. A process that sees a key busy takes several requests
from the quota at a time and spends them within a slice or a few seconds; what it does not spend it
gives back. A process that is killed has lost what it had taken, never gained.

SQLite has one writer at a time, so the counts are in a file of their own there: a request that is
counted does not wait for another tenant's transaction. PostgreSQL locks the key's row alone.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session
from sqlalchemy.schema import CreateTable

from novaql.server.clock import Clock, from_ms, to_ms
from novaql.server.db.engine import StateDatabase
from novaql.server.db.tables import RateWindow
from novaql.server.errors import RateLimited, Unavailable
from novaql.server.settings import Settings

log = logging.getLogger(__name__)
_MOST_AT_ONCE = 64
_SPEND_MS = 2_000
_SKEW_MS = 5_000
"""Clocks of processes are apart by this at most. What was counted later than that was counted
before the clock was set back, and counts no longer."""


@dataclass(frozen=True, slots=True)
class Quota:
    """`limit` requests in any `window_s` seconds for each key; 0 is no limit."""

    name: str
    limit: int
    window_s: int
    slice_ms: int


def quota_plan(settings: Settings) -> dict[str, tuple[Quota, ...]]:
    """The quotas of each kind of endpoint. Those of a minute are a token's, others a tenant's."""
    api = (
        Quota("minute", settings.rate_per_minute, 60, 250),
        Quota("day", settings.rate_per_day, 86_400, 600_000),
    )
    prometheus = (Quota("prometheus", settings.prometheus_per_minute, 60, 1000),)
    return {
        "api": tuple(quota for quota in api if quota.limit),
        "prometheus": tuple(quota for quota in prometheus if quota.limit),
    }


@dataclass(slots=True)
class _Taken:
    """What this process has of a key: requests taken and not yet spent, and when they lapse."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    spare: int = 0
    slice: int = 0
    until_ms: int = 0
    last_ms: int = 0
    batch: int = 0
    left: int = 0
    reset_ms: int = 0


@dataclass(frozen=True, slots=True)
class QuotaState:
    """Of one quota after a request: how many are left, and in how many seconds there are more."""

    quota: Quota
    left: int
    reset_s: int


class Quotas:
    """Spends requests of quotas. Safe to use from several threads.

    database  where they are counted, with a table of `RateWindow`
    owned     `close` closes it, too
    """

    def __init__(self, database: StateDatabase, clock: Clock, *, owned: bool = False) -> None:
        self._database = database
        self._owned = owned
        self._clock = clock
        self._lock = threading.Lock()
        self._taken: dict[tuple[str, str], _Taken] = {}

    def spend_at_once(self, wanted: Sequence[tuple[Quota, str]]) -> list[QuotaState] | None:
        """Spend one request of each quota for its key, if that needs no look at the database."""
        now = to_ms(self._clock.now())
        chosen = [(quota, self._of(quota, key)) for quota, key in wanted]
        for number, (_, taken) in enumerate(chosen):
            with taken.lock:
                ready = taken.spare > 0 and now <= taken.until_ms and now >= taken.last_ms
                if ready:
                    taken.spare -= 1
            if not ready:
                for _, earlier in chosen[:number]:
                    with earlier.lock:
                        earlier.spare += 1
                return None
        return [_state_of(quota, taken, now) for quota, taken in chosen]

    def spend(self, wanted: Sequence[tuple[Quota, str]]) -> list[QuotaState]:
        """Spend one request of each quota for its key. Raises `RateLimited`, and spends none."""
        spent: list[tuple[Quota, _Taken]] = []
        now = to_ms(self._clock.now())
        for quota, key in wanted:
            taken = self._of(quota, key)
            with taken.lock:
                if taken.spare <= 0 or not taken.last_ms <= now <= taken.until_ms:
                    self._take(quota, key, taken, now)
                if taken.spare > 0:
                    taken.spare -= 1
                    spent.append((quota, taken))
                    continue
            for _, earlier in spent:
                with earlier.lock:
                    earlier.spare += 1
            states = [_state_of(q, t, now) for q, t in spent]
            policy = [one for one, _ in wanted]
            raise limited([*states, _state_of(quota, taken, now)], policy)
        return [_state_of(quota, taken, now) for quota, taken in spent]

    def forget(self, before: datetime) -> None:
        """Delete what was counted for keys that nobody has used since."""
        with self._database.write(None, durability="relaxed", visible=False) as session:
            session.execute(delete(RateWindow).where(RateWindow.updated_at <= before))

    def close(self) -> None:
        """Give back what was not spent, and close the database if it is the quotas' own."""
        self.give_back()
        if self._owned:
            self._database.close()

    def give_back(self) -> None:
        """Give back what was taken and not spent, before the process ends."""
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
                found = self._taken.setdefault(name, _Taken())
        return found

    def _take(self, quota: Quota, key: str, taken: _Taken, now_ms: int) -> None:
        """Refill `taken` from the database, as far as the quota goes."""
        key = f"{quota.name}:{key}"
        brisk = now_ms - taken.last_ms < 1000
        wanted = min(_MOST_AT_ONCE, max(1, taken.batch * 2)) if brisk else 1
        slice_ms = quota.slice_ms
        here = now_ms // slice_ms
        oldest = (now_ms - quota.window_s * 1000) // slice_ms + 1
        latest = (now_ms + _SKEW_MS) // slice_ms
        try:
            with self._database.write(None, durability="relaxed", visible=False) as session:
                row = _locked(session, key)
                if row is None:
                    row = RateWindow(key=key, counts=[], updated_at=from_ms(now_ms))
                    session.add(row)
                counts = _less(row.counts, taken.slice, taken.spare)
                counts = [pair for pair in counts if oldest <= pair[0] <= latest]
                free = max(0, quota.limit - sum(count for _, count in counts))
                got = min(free, wanted)
                if got:
                    counts = _more(counts, here, got)
                row.counts = counts
                row.updated_at = from_ms(now_ms)
        except Unavailable:
            # A database that cannot be written must not stop what needs only reading.
            log.warning("requests are not counted: the database cannot be written")
            got, free, counts = 1, quota.limit, []
        first = counts[0][0] if counts else here
        taken.spare, taken.slice, taken.batch = got, here, got
        taken.left = free - got
        taken.last_ms = now_ms
        taken.until_ms = now_ms + min(_SPEND_MS, slice_ms * 4)
        taken.reset_ms = first * slice_ms + quota.window_s * 1000


def open_quotas(state: StateDatabase, clock: Clock) -> Quotas:
    """The quotas of a server, counted beside its database. Without a place for a file of their own
    they are counted in the database itself."""
    if not state.is_sqlite or state.is_fallback or not state.url.database:
        return Quotas(state, clock)
    beside = Path(state.url.database)
    database = StateDatabase(
        f"sqlite:///{beside.with_name(f'{beside.stem}-quotas.db')}", durable=False
    )
    try:
        with database.engine.execution_options(immediate=True).begin() as connection:
            table = RateWindow.metadata.tables[RateWindow.__tablename__]
            connection.execute(CreateTable(table, if_not_exists=True))  # others start as well
    except DatabaseError as problem:
        database.close()
        log.warning("quotas are counted in the server's database: %s", problem.orig)
        return Quotas(state, clock)
    return Quotas(database, clock, owned=True)


def limited(states: Sequence[QuotaState], policy: Sequence[Quota] = ()) -> RateLimited:
    """The refusal; the last standing is of the quota that is used up. `policy`: every quota."""
    worst = states[-1]
    return RateLimited(
        f"the quota of {worst.quota.limit} requests in {worst.quota.window_s} s is used up; "
        f"try again in {worst.reset_s} s",
        headers={"Retry-After": str(worst.reset_s), **rate_headers(states, policy)},
    )


def rate_headers(states: Sequence[QuotaState], policy: Sequence[Quota] = ()) -> Mapping[str, str]:
    """RateLimit and RateLimit-Policy, as the draft of the IETF's HTTPAPI group has them."""
    quotas = policy or [s.quota for s in states]
    policy_text = ", ".join(
        f'"{quota.name}";q={quota.limit};w={quota.window_s}' for quota in quotas
    )
    shown = ", ".join(f'"{s.quota.name}";r={s.left};t={s.reset_s}' for s in states)
    return {"RateLimit-Policy": policy_text, "RateLimit": shown} if states else {}


def _state_of(quota: Quota, taken: _Taken, now_ms: int) -> QuotaState:
    seconds = max(1, math.ceil((taken.reset_ms - now_ms) / 1000))
    return QuotaState(quota, max(0, taken.left + taken.spare), seconds)


def _locked(session: Session, key: str) -> RateWindow | None:
    return session.execute(
        select(RateWindow).where(RateWindow.key == key).with_for_update()
    ).scalar_one_or_none()


def _more(counts: list[Any], slice_: int, count: int) -> list[Any]:
    if counts and counts[-1][0] == slice_:
        return [*counts[:-1], [slice_, counts[-1][1] + count]]
    return [*counts, [slice_, count]]


def _less(counts: list[Any], slice_: int, count: int) -> list[Any]:
    if not count:
        return list(counts)
    changed = [[at, n - count if at == slice_ else n] for at, n in counts]
    return [pair for pair in changed if pair[1] > 0]
