"""Kinds of jobs, and one run of a job under its lease."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import field
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from novaql import Cancellation
from novaql.fast_dataclass import dataclass
from novaql.server.auth.roles import Principal, Role
from novaql.server.db.rows import Tenant
from novaql.server.db.tables import Job
from novaql.server.db.unit import Origin, Unit, system_actor
from novaql.server.errors import INTERNAL, kind_of
from novaql.server.tenants.context import ServerContext

log = logging.getLogger(__name__)
_LONGEST_BACKOFF = timedelta(minutes=10)
_LONGEST_REASON = 1000
_JITTER = 1.2
LONGEST_WAIT = _LONGEST_BACKOFF * _JITTER
"""The upper bound of `backoff` for any number of attempts."""


class LeaseLost(Exception):
    """The job was cancelled, or its lease expired and another worker has it."""


class JobCancellation(Cancellation):
    """The cancellation of a run: its queries and templates end when the runner stops, or after
    `longest`."""

    def __init__(self, stopping: threading.Event, longest: timedelta) -> None:
        super().__init__()
        self.stopping = stopping
        self._ends = monotonic() + longest.total_seconds()

    @property
    def cancelled(self) -> bool:
        return self._cancelled or self.stopping.is_set() or monotonic() > self._ends


def reason_of(error: BaseException) -> str:
    """Return why a job failed, as a text for users of the tenant."""
    if kind_of(error) is not INTERNAL:
        return (str(error) or type(error).__name__)[:_LONGEST_REASON]
    if isinstance(error, DBAPIError):  # the statement and its parameters are only for the log
        return f"the server's database refused it: {error.orig}"[:_LONGEST_REASON]
    return f"internal error: {type(error).__name__}: {error}"[:_LONGEST_REASON]


def as_system(context: ServerContext, tenant: Tenant, name: str) -> ServerContext:
    """Return the server in the role of the system, for a named activity on behalf of a tenant."""
    principal = Principal(
        id=name,
        name="system",
        role=Role.ADMIN,
        api_version=context.access.default_principal.api_version,
        tenant_id=tenant.id,
        tenant_name=tenant.name,
        user_id=name,
        user_name="system",
        limits=tenant.limits,
    )
    return context.scoped(principal)


def backoff(attempts: int) -> timedelta:
    """Return 1 s, 2 s, 4 s, … up to ten minutes, each with a random part of a fifth."""
    seconds = min(2.0 ** min(attempts - 1, 20), _LONGEST_BACKOFF.total_seconds())
    return timedelta(seconds=seconds * random.uniform(1.0, _JITTER))  # noqa: S311 - no secret


@dataclass(frozen=True, slots=True)
class JobKind:
    """The behaviour of jobs of a kind.

    run       runs a job; it ends by `with run.finish()`, or by returning
    longest   the lease is renewed for at most this time; then its queries end, and another worker
              takes the job over
    retry     returns the wait after a number of failed attempts
    failed    stores further effects of a failed attempt, given the key of the job and the reason,
              so that the subject of the job shows the failure. It runs in the transaction that
              releases the job, if possible
    lane      a field of the payload: jobs with equal values share `lane_width` places, so that a
              slow receiver does not delay others
    own_threads   a setting: the number of threads for this kind alone
    waits     the job mostly waits for other systems: such jobs have separate threads, of which
              one tenant gets half at most
    """

    name: str
    run: Callable[[JobRun], None]
    longest: timedelta = timedelta(minutes=10)
    retry: Callable[[int], timedelta] = backoff
    failed: Callable[[Unit, str, str], None] | None = None
    lane: str | None = None
    lane_width: int = 2
    waits: bool = False
    own_threads: str = ""


@dataclass(slots=True)
class JobRun:
    """One run of a job by a worker.

    context   the server, scoped to the job's tenant (`context.store` has its samples)
    attempts  the number of earlier attempts
    began     when it was leased
    cancellation   for the queries of the job
    """

    context: ServerContext
    id: str
    kind: str
    key: str
    payload: dict[str, Any]
    attempts: int
    run_at: datetime
    lease: str
    began: datetime
    cancellation: Cancellation
    ended: bool = field(default=False)

    def read(self) -> AbstractContextManager[Unit]:
        """Begin a read-only unit."""
        return self._unit(writes=False)

    @contextmanager
    def finish(self, *, again_at: datetime | None = None) -> Iterator[Unit]:
        """Begin the unit that ends the job: its changes and the end of the job commit together.

        again_at  the next time of the job; None: the job is complete, and its row is deleted

        Raises `LeaseLost`, and changes nothing, if this worker no longer holds the lease.
        """
        with self._unit(writes=True) as unit:
            row = self._own(unit.session)
            yield unit
            unit.session.flush()
            unit.session.refresh(row)
            if again_at is None and row.run_at == self.run_at:
                unit.session.delete(row)
            else:  # due again: set by the run itself, or enqueued during it
                row.last_error = None
                row.attempts = 0
                if again_at is not None and row.run_at == self.run_at:
                    # If the clock was set back during the run, the job waits as long as intended.
                    turned = max(self.began - unit.now(), timedelta())
                    row.run_at, row.set_at = again_at - turned, unit.now()
                _release(row)
                unit.wakes = True
        self.ended = True

    @contextmanager
    def note(self) -> Iterator[Unit]:
        """Begin a unit whose changes persist however the job ends. Raises `LeaseLost`."""
        with self._unit(writes=True) as unit:
            self._own(unit.session)
            yield unit

    def fail(self, error: BaseException, kind: JobKind) -> None:
        """Release the job after a failure, for a retry."""
        with self._unit(writes=True) as unit:
            row = self._own(unit.session)
            _release(row)
            row.attempts = self.attempts + 1
            row.last_error = f"{type(error).__name__}: {error}"[:1000]
            if row.run_at == self.run_at:
                row.run_at, row.set_at = unit.now() + kind.retry(row.attempts), unit.now()
            if kind.failed is not None:
                try:
                    with unit.session.begin_nested():
                        kind.failed(unit, self.key, reason_of(error))
                except Exception:
                    log.exception("a failed job could not be shown", extra={"job_id": self.id})
        self.ended = True

    def _own(self, session: Session) -> Job:
        row = session.execute(
            select(Job).where(Job.id == self.id, Job.lease == self.lease).with_for_update()
        ).scalar_one_or_none()
        if row is None:
            raise LeaseLost(self.id)
        return row

    def _unit(self, *, writes: bool) -> AbstractContextManager[Unit]:
        return self.context.unit(system_actor(self.kind), Origin(self.id), writes=writes)


def _release(row: Job) -> None:
    row.lease = row.lease_until = row.leased_by = None
