"""Leases of jobs: who holds which, how long, and when another server may take a job over.

A lease is short (`job_lease_s`), and renewed by its server while the job runs. So jobs of a server
that died are taken over soon, by any other. A server that starts again need not wait for that: the
file `server/runner` in its data directory names it, the directory belongs to one process at a time
(the store locks it), and so every lease under that name is of a process that is gone. A copy of the
directory is another server: the name has the number of the file's inode, too.
"""

from __future__ import annotations

import logging
import threading
import time
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import BigInteger, type_coerce, update

from novaql.server.clock import Clock, to_ms
from novaql.server.db.engine import StateDatabase
from novaql.server.db.tables import Job
from novaql.server.errors import Unavailable
from novaql.server.ids import is_id, new_id

log = logging.getLogger(__name__)
_RENEWALS = 3
"""A lease is renewed so many times before it would run out."""

SKEW = timedelta(seconds=5)
"""Clocks of servers over one database are apart by this at most. A time that lies further ahead
than it can was written before the clock was set back."""

NOTICED = timedelta(seconds=1)
"""A clock that has gone back by less is not looked at."""


def holder_of(data: Path) -> str:
    """The name under which the server with that data directory holds leases.

    Another one each time where the directory cannot be written: leases run out then.
    """
    path = data / "server" / "runner"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_text(new_id("run"), "ascii")
        name = path.read_text("ascii")
        if is_id(name):
            return f"{name}.{path.stat().st_ino:x}"
        path.unlink()  # torn by a power cut: the next start has a name again
    except (OSError, ValueError):
        log.warning("%s cannot be used; leases of this server run out when it is killed", path)
    return new_id("run")


class Leases:
    """The leases of one server. Safe to use from several threads.

    holder  its name, see `holder_of`
    lasts   how long a lease counts unless it is renewed
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
        self._latest: datetime | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Take back what a process of the same name held, and renew leases from now on."""
        self._release_all()
        self._thread = threading.Thread(target=self._renew_often, name="leases", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Give back what is held still: jobs that were not begun."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._release_all()

    def hold(self, job_id: str, longest: timedelta) -> str:
        """A new lease for a job, renewed for as long as `longest` at most, or until `let_go`."""
        lease = new_id("lease")
        with self._lock:
            self._held[lease] = job_id, time.monotonic() + longest.total_seconds()
        return lease

    def let_go(self, lease: str) -> None:
        """The job has ended, or was given back."""
        with self._lock:
            self._held.pop(lease, None)

    def held_jobs(self) -> list[str]:
        """Ids of the jobs that run here: they are not leased again, however late a renewal is."""
        now = time.monotonic()
        with self._lock:
            return [job_id for job_id, until in self._held.values() if until > now]

    def renew(self) -> None:
        """Renew what is held. Done by a thread, often enough."""
        now = time.monotonic()
        with self._lock:
            held = [lease for lease, (_, until) in self._held.items() if until > now]
        if not held:
            return
        until = self._clock.now() + self.lasts
        with self._database.write(None, durability="relaxed", visible=False) as session:
            session.execute(update(Job).where(Job.lease.in_(held)).values(lease_until=until))

    def mend_times(self) -> None:
        """Have jobs run as soon as they were to, though the clock was set back since.

        A job whose time was chosen later than now was chosen by a clock that was ahead: it waits
        as long as it was to wait. Looks at the start, and when this clock has gone back.
        """
        now = self._clock.now()
        latest, self._latest = self._latest, now
        if latest is not None and now >= latest - NOTICED:
            return
        run_at, set_at = (type_coerce(c, BigInteger) for c in (Job.run_at, Job.set_at))
        ahead = now + self.lasts + SKEW
        try:
            with self._database.write(None, durability="relaxed", visible=False) as session:
                session.execute(
                    update(Job)
                    .where(Job.set_at > now)
                    .values(run_at=run_at - set_at + to_ms(now), set_at=now)
                )
                session.execute(
                    update(Job).where(Job.lease_until > ahead).values(lease_until=now + self.lasts)
                )
        except BaseException:
            self._latest = latest
            raise

    def _renew_often(self) -> None:
        while not self._stop.wait(self.lasts.total_seconds() / _RENEWALS):
            try:
                self.renew()
            except Unavailable as problem:
                log.warning("leases wait: %s", problem)
            except Exception:
                log.exception("leases could not be renewed")

    def _release_all(self) -> None:
        try:
            with self._database.write(None, durability="relaxed", visible=False) as session:
                session.execute(
                    update(Job)
                    .where(Job.leased_by == self.holder)
                    .values(lease=None, lease_until=None, leased_by=None)
                )
        except Unavailable as problem:  # they run out
            log.warning("leases could not be taken back: %s", problem)
