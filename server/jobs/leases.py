"""Leases of jobs: their holder, their duration, and the takeover of a job by another server.

A lease is short (`job_lease_s`), and its server renews it while the job runs. If a server fails,
others soon take over its jobs. A server that restarts does not have to wait for that: the file
`server/runner` in its data directory contains its name, and only one process at a time uses the
directory (the store locks it), so every lease under that name belongs to an ended process. A copy
of the directory is another server: the name contains the inode number of the file.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import BigInteger, type_coerce, update

from novaql.server.clock import Clock, to_ms
from novaql.server.db.engine import StateDatabase
from novaql.server.db.tables import Job
from novaql.server.errors import Unavailable
from novaql.server.ids import is_id, new_id
from novaql.server.jobs.loop import Loop

log = logging.getLogger(__name__)
_RENEWALS = 3
"""The number of renewals in the duration of a lease."""

SKEW = timedelta(seconds=5)
"""The largest difference between clocks of servers over one database. A time that is further in the
future dates from before a clock was set back."""

NOTICED = timedelta(seconds=1)
"""Smaller backward steps of the clock are ignored."""


class ClockCheck:
    """Calls `mend` with the time at the first check, and when the clock has gone back."""

    def __init__(self, clock: Clock, mend: Callable[[datetime], None]) -> None:
        self._clock = clock
        self._mend = mend
        self._latest: datetime | None = None

    def check(self) -> None:
        """Raises what `mend` raises; the next check calls it again."""
        now = self._clock.now()
        if self._latest is None or now < self._latest - NOTICED:
            self._mend(now)
        self._latest = now


def holder_of(data: Path) -> str:
    """Return the name under which the server with that data directory holds leases.

    If the directory is read-only, each start has another name, and old leases expire.
    """
    path = data / "server" / "runner"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_text(new_id("run"), "ascii")
        name = path.read_text("ascii")
        if is_id(name):
            return f"{name}.{path.stat().st_ino:x}"
        path.unlink()  # truncated by a power failure: the next start writes a name again
    except (OSError, ValueError):
        log.warning("%s cannot be used; leases of this server run out when it is killed", path)
    return new_id("run")


class Leases:
    """The leases of one server. Thread-safe.

    holder  its name, see `holder_of`
    lasts   the duration of a lease without renewal
    """

    def __init__(
        self, database: StateDatabase, clock: Clock, holder: str, lasts: timedelta
    ) -> None:
        self.holder = holder
        self.lasts = lasts
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._held: dict[str, tuple[str, float]] = {}
        self._times = ClockCheck(clock, self._mend_times)
        self._loop = Loop("leases", self.renew, every_s=lasts.total_seconds() / _RENEWALS)

    def start(self) -> None:
        """Release the leases of an earlier process with this name, and start to renew leases."""
        self._release_all()
        self._loop.start()

    def stop(self) -> None:
        """Release the remaining leases: those of jobs that did not begin."""
        self._loop.stop()
        if self._loop.started:
            self._release_all()

    def acquire(self, job_id: str, longest: timedelta) -> str:
        """Acquire a lease for a job. It is renewed for at most `longest`, or until `release`."""
        lease = new_id("lease")
        with self._lock:
            self._held[lease] = job_id, time.monotonic() + longest.total_seconds()
        return lease

    def release(self, lease: str) -> None:
        """Stop renewing a lease: the job has ended or was released."""
        with self._lock:
            self._held.pop(lease, None)

    def held_jobs(self) -> list[str]:
        """Return the ids of jobs that run here. They are not leased again, even if a renewal is
        late."""
        now = time.monotonic()
        with self._lock:
            return [job_id for job_id, until in self._held.values() if until > now]

    def renew(self) -> None:
        """Renew all leases. A thread calls it periodically."""
        now = time.monotonic()
        with self._lock:
            held = [lease for lease, (_, until) in self._held.items() if until > now]
        if not held:
            return
        until = self._clock.now() + self.lasts
        with self._database.write(None, durability="relaxed", visible=False) as session:
            session.execute(update(Job).where(Job.lease.in_(held)).values(lease_until=until))

    def mend_times(self) -> None:
        """Correct the times of jobs after the clock was set back, so that they run as soon as
        intended.

        If a job's time was set in the future of this clock, the clock was ahead: the job then waits
        as long as intended, from now on. Up to `SKEW`, it is the clock of another server that is
        ahead, or that server has set the time since this clock was read: the job does not run
        early.
        """
        self._times.check()

    def _mend_times(self, now: datetime) -> None:
        run_at, set_at = (type_coerce(c, BigInteger) for c in (Job.run_at, Job.set_at))
        ahead = now + self.lasts + SKEW
        with self._database.write(None, durability="relaxed", visible=False) as session:
            session.execute(
                update(Job)
                .where(Job.set_at > now + SKEW)
                .values(run_at=run_at - set_at + to_ms(now), set_at=now)
            )
            session.execute(
                update(Job).where(Job.lease_until > ahead).values(lease_until=now + self.lasts)
            )

    def _release_all(self) -> None:
        try:
            with self._database.write(None, durability="relaxed", visible=False) as session:
                session.execute(
                    update(Job)
                    .where(Job.leased_by == self.holder)
                    .values(lease=None, lease_until=None, leased_by=None)
                )
        except Unavailable as problem:  # the leases expire
            log.warning("leases could not be taken back: %s", problem)
