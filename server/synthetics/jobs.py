"""Jobs of synthetic checks: the server's own runner, lost runs, and samples of results."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta

from sqlalchemy import select

from novaql.server.db.unit import Unit
from novaql.server.jobs.runner import JobKind, JobRun
from novaql.server.probes.deadline import ProbeCancelled
from novaql.server.probes.execute import execute, tls_context
from novaql.server.synthetics import runs
from novaql.server.synthetics.ending import STORE
from novaql.server.synthetics.model import Status, is_due
from novaql.server.synthetics.series import batch
from novaql.server.synthetics.service import PROBE
from novaql.server.synthetics.tables import Synthetic, SyntheticRegion, SyntheticResult

BUILT_IN = "builtin"
_POLL_S = 1.0
_BUSY = timedelta(seconds=1)
_AT_ONCE = 500


class _Stopped(threading.Event):
    """Whether a run is to end: its server stops, or its check was deleted.

    It reads the row of the run once a second.
    """

    def __init__(self, job: JobRun, result_id: str) -> None:
        super().__init__()
        self._job = job
        self._result_id = result_id
        self._poll_at = time.monotonic() + _POLL_S

    def is_set(self) -> bool:
        if super().is_set() or self._job.cancellation.cancelled:
            return True
        if time.monotonic() >= self._poll_at:
            self._poll_at = time.monotonic() + _POLL_S
            with self._job.read() as unit:
                row = unit.find(SyntheticResult, self._result_id)
                if row is None or row.status != Status.RUNNING:
                    self.set()
        return super().is_set()

    def wait(self, timeout: float | None = None) -> bool:
        end = None if timeout is None else time.monotonic() + timeout
        while not self.is_set():
            left = _POLL_S if end is None else end - time.monotonic()
            if left <= 0:
                return False
            super().wait(min(left, 0.25))
        return True


def probe(job: JobRun) -> None:
    """Run a check in the server's own region, if it is due."""
    check_id, _, region = job.key.partition("/")
    with job.note() as unit:
        for left in runs.open_runs(unit, check_id, region):
            if left.status == Status.RUNNING:  # of a process that ended
                runs.lose(unit, left, "the server ended during the run")
        leased = runs.begin(unit, check_id, region, BUILT_IN)
        again = None if leased is not None else _later(unit, check_id, region)
    if leased is None:
        if again is not None:
            with job.finish(again_at=again):
                pass
        return
    settings = job.context.settings
    try:
        outcome = execute(
            leased.spec,
            job.context.dialer,
            tls_context(settings.probe_ca_file),
            _Stopped(job, leased.result_id),
        )
    except ProbeCancelled:
        outcome = None
    with job.read() as unit:
        after = _later(unit, check_id, region)
    with job.finish(again_at=after) as unit:
        if outcome is not None:
            runs.complete(unit, leased.result_id, None, outcome)
        else:
            row = unit.find(SyntheticResult, leased.result_id)
            if row is not None:
                runs.cancel(unit, row)


def _later(unit: Unit, check_id: str, region: str) -> datetime | None:
    """Return the time of the next run in a region, queued or scheduled; None: the check is
    deleted."""
    check = unit.find(Synthetic, check_id)
    place = unit.session.execute(
        select(SyntheticRegion).where(
            SyntheticRegion.synthetic_id == check_id, SyntheticRegion.region == region
        )
    ).scalar_one_or_none()
    if check is None or place is None or check.deleted_at is not None:
        return None
    if any(one.status == Status.QUEUED for one in runs.open_runs(unit, check_id, region)):
        return unit.now() + (_BUSY if place.result_id is None else timedelta())
    due = is_due(place.next_at, check.interval_ms, unit.now())
    return max(unit.now() if due else place.next_at, unit.now() + _BUSY)


def lost(job: JobRun) -> None:
    """End a run whose lease was not renewed, or that no runner has taken."""
    result_id = job.key.partition("/")[0]
    with job.read() as unit:
        row = unit.find(SyntheticResult, result_id)
        until = None if row is None else row.lease_until
        waits = row is not None and row.status == Status.RUNNING and until is not None
        now = unit.now()
    if waits and until is not None and until > now:
        with job.finish(again_at=until):
            return
    with job.finish() as unit:
        row = unit.find(SyntheticResult, result_id)
        if row is None:
            return
        if row.status == Status.QUEUED and job.key == result_id:
            runs.lose(unit, row, "no runner of the region took the run")
        until = row.lease_until
        if row.status == Status.RUNNING and until is not None and until <= unit.now():
            runs.lose(unit, row, "the runner did not renew its lease")


def store(job: JobRun) -> None:
    """Write the samples of completed results."""
    with job.read() as unit:
        found = unit.session.execute(
            select(SyntheticResult, Synthetic)
            .join(Synthetic, Synthetic.id == SyntheticResult.synthetic_id)
            .where(SyntheticResult.stored.is_(False))
            .order_by(SyntheticResult.completed_at)
            .limit(_AT_ONCE)
        ).all()
        written = batch((row[0], row[1]) for row in found)
        ids = [row[0].id for row in found]
    if len(written):
        job.context.store.append(written)
        job.context.note_write()
    more = job.context.clock.now() if len(ids) == _AT_ONCE else None
    with job.finish(again_at=more) as unit:
        rows = select(SyntheticResult).where(SyntheticResult.id.in_(ids))
        for row in unit.session.execute(rows).scalars():
            row.stored = True


KINDS = (
    JobKind(PROBE, probe, own_threads="probe_threads"),
    JobKind(runs.LOST, lost),
    JobKind(STORE, store),
)
