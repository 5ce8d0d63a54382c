"""Runs: a runner leases one, and completes it once. A run without its runner is lost.

Each function locks the row of the check, so that runs of a check begin and end one after another.
Jobs lock their own row before it: whatever locks the row of an existing job does so first, too.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import BigInteger, cast, func, or_, select, type_coerce

from novaql.fast_dataclass import dataclass
from novaql.server.clock import to_ms
from novaql.server.crypto.sealing import CannotUnseal
from novaql.server.crypto.token_secrets import digest_of, new_secret
from novaql.server.db.unit import Unit
from novaql.server.ids import new_id
from novaql.server.probes.result import Outcome
from novaql.server.probes.spec import ProbeSpec
from novaql.server.synthetics.ending import after, end
from novaql.server.synthetics.model import FARTHEST, Status, Trigger, is_due, status_of
from novaql.server.synthetics.tables import Synthetic, SyntheticRegion, SyntheticResult

log = logging.getLogger(__name__)
LOST = "synthetics.lost"
_SECRETS = "synthetic:{}:secrets"


@dataclass(frozen=True, slots=True)
class Leased:
    """A run that a runner has.

    lease  the secret that completes it
    spec   what to do, with the secrets of the check
    """

    lease: str
    result_id: str
    synthetic_id: str
    spec: ProbeSpec


def begin(
    unit: Unit, check_id: str, region: str, runner: str, lasts: timedelta | None = None
) -> Leased | None:
    """Lease the run of a check in a region that is due: a queued manual one, or the scheduled one.

    lasts  of the lease of a runner in another process; None: the job of the run has a lease

    None: nothing is due, the region has a run already, or the tenant has the most runs.
    """
    check = unit.find(Synthetic, check_id, lock=True)
    place = None if check is None else _place(unit, check_id, region)
    if check is None or place is None or check.deleted_at is not None:
        return None
    if place.result_id is not None or _in_flight(unit) >= unit.settings.max_synthetic_runs:
        return None
    try:
        spec = spec_of(unit, check)
    except CannotUnseal:
        log.warning("%s does not run: its secrets cannot be unsealed", check.id)
        place.next_at = after(unit, check, place)
        return None
    result = _queued(unit, check_id, region)
    if result is None:
        if not is_due(place.next_at, check.interval_ms, unit.now()):
            return None
        result = new_result(unit, check, region, new_id("run"), Trigger.SCHEDULED)
        place.next_at = after(unit, check, place)
    lease = new_secret("lease")
    until = None if lasts is None else unit.now() + lasts
    result.status, result.started_at = Status.RUNNING, unit.now()
    result.lease, result.lease_until, result.runner = digest_of(lease), until, runner
    result.updated_at = unit.now()
    place.result_id = result.id
    if until is not None:
        # Another key than that of a queued run: this row is new, and no lock can be waited for.
        unit.enqueue(LOST, key=f"{result.id}/lease", run_at=until)
    return Leased(lease, result.id, check.id, spec)


def due(unit: Unit, region: str, kinds: Collection[str], most: int) -> Sequence[str]:
    """Return the checks that may have a run for a runner of a region: those that have been due for
    the longest time, in the order in which they are locked."""
    queued = select(SyntheticResult.synthetic_id).where(
        SyntheticResult.status == Status.QUEUED, SyntheticResult.region == region
    )
    next_ms, now_ms = type_coerce(SyntheticRegion.next_at, BigInteger), to_ms(unit.now())
    interval_ms = cast(Synthetic.interval_ms, BigInteger)  # the sum does not fit into 32 bits
    statement = (
        select(SyntheticRegion.synthetic_id, SyntheticRegion.next_at)
        .join(Synthetic, Synthetic.id == SyntheticRegion.synthetic_id)
        .where(
            SyntheticRegion.region == region,
            SyntheticRegion.result_id.is_(None),
            or_(
                next_ms <= now_ms,
                next_ms >= now_ms + FARTHEST * interval_ms,  # as in `is_due`
                SyntheticRegion.synthetic_id.in_(queued),
            ),
            Synthetic.deleted_at.is_(None),
            Synthetic.type.in_(kinds),
        )
        .order_by(SyntheticRegion.next_at)
        .limit(most)
    )
    return sorted(row[0] for row in unit.session.execute(statement))


def complete(unit: Unit, result_id: str, lease: str | None, outcome: Outcome) -> bool:
    """Record the outcome of a run, with the server's time. False: the lease has ended.

    lease  the secret of the lease; None: the caller has the lease of the run's job
    """
    known = unit.find(SyntheticResult, result_id)
    check = None if known is None else unit.find(Synthetic, known.synthetic_id, lock=True)
    if known is None or check is None:
        return False
    unit.session.refresh(known)
    if known.status != Status.RUNNING:
        return False
    if lease is not None and (known.lease != digest_of(lease) or not is_leased(unit, known)):
        return False
    end(unit, check, known, status_of(outcome), outcome)
    return True


def is_leased(unit: Unit, result: SyntheticResult) -> bool:
    """Return whether a runner in another process has a run now. A lease that has ended stays ended,
    also before the job that records the loss."""
    until = result.lease_until
    return result.status == Status.RUNNING and until is not None and until > unit.now()


def lose(unit: Unit, result: SyntheticResult, detail: str) -> None:
    """End a run that no runner completes: its runner ended, or none took it."""
    check = unit.find(Synthetic, result.synthetic_id, lock=True)
    unit.session.refresh(result)
    if check is not None and result.status in (Status.RUNNING, Status.QUEUED):
        result.failure_reason, result.detail = Status.RUNNER_LOST.value, detail
        end(unit, check, result, Status.RUNNER_LOST)


def cancel(unit: Unit, result: SyntheticResult) -> None:
    """End a run that must not continue: its check was deleted, or its server stops."""
    check = unit.find(Synthetic, result.synthetic_id, lock=True)
    unit.session.refresh(result)
    if check is not None and result.status in (Status.RUNNING, Status.QUEUED):
        end(unit, check, result, Status.CANCELLED)


def of_lease(unit: Unit, lease: str) -> SyntheticResult | None:
    """Return the running run of a lease. The index of the status finds the few that run."""
    statement = select(SyntheticResult).where(
        SyntheticResult.status == Status.RUNNING, SyntheticResult.lease == digest_of(lease)
    )
    return unit.session.execute(statement).scalar_one_or_none()


def open_runs(unit: Unit, check_id: str, region: str | None = None) -> Sequence[SyntheticResult]:
    """Return the runs of a check that are queued or running."""
    open_ = SyntheticResult.status.in_((Status.QUEUED, Status.RUNNING))
    statement = select(SyntheticResult).where(SyntheticResult.synthetic_id == check_id, open_)
    if region is not None:
        statement = statement.where(SyntheticResult.region == region)
    return unit.session.execute(statement.order_by(SyntheticResult.id)).scalars().all()


def new_result(
    unit: Unit, check: Synthetic, region: str, run_id: str, trigger: Trigger
) -> SyntheticResult:
    """Add a run that is queued."""
    result = unit.new(
        SyntheticResult,
        "res",
        synthetic_id=check.id,
        run_id=run_id,
        region=region,
        trigger=trigger.value,
        status=Status.QUEUED.value,
        detail="",
        outcome={},
        counters=[],
        failing=False,
    )
    unit.session.add(result)
    return result


def spec_of(unit: Unit, check: Synthetic) -> ProbeSpec:
    """Return what a run of a check does, with its secrets. Raises `CannotUnseal`."""
    settings = unit.settings
    secrets: dict[str, Any] = {}
    if check.secrets is not None:
        secrets = json.loads(unit.unseal(check.secrets, _SECRETS.format(check.id)))
    return ProbeSpec.model_validate(
        {
            **check.plan,
            "kind": check.type,
            "target": check.target,
            "timeout_s": check.timeout_ms / 1000,
            "retries": check.retries,
            "retry_delay_s": settings.probe_retry_delay_s,
            "max_body_bytes": settings.probe_max_body_bytes,
            "secrets": secrets,
        }
    )


def longest(unit: Unit, check: Synthetic) -> timedelta:
    """Return the longest time of a run: its attempts, and the waits between them. An attempt with a
    browser can wait for its timeout until one is free."""
    waits_s = unit.settings.probe_retry_delay_s * float(2**check.retries - 1)
    attempt_ms = check.timeout_ms * (2 if check.type == "browser" else 1)
    return timedelta(milliseconds=attempt_ms * (check.retries + 1), seconds=waits_s)


def sealed_secrets(unit: Unit, check_id: str, secrets: dict[str, str]) -> str | None:
    """Return the secrets of a check for its column."""
    return unit.seal(json.dumps(secrets), _SECRETS.format(check_id)) if secrets else None


def _place(unit: Unit, check_id: str, region: str) -> SyntheticRegion | None:
    statement = select(SyntheticRegion).where(
        SyntheticRegion.synthetic_id == check_id, SyntheticRegion.region == region
    )
    return unit.session.execute(statement).scalar_one_or_none()


def _queued(unit: Unit, check_id: str, region: str) -> SyntheticResult | None:
    statement = select(SyntheticResult).where(
        SyntheticResult.synthetic_id == check_id,
        SyntheticResult.region == region,
        SyntheticResult.status == Status.QUEUED,
    )
    return unit.session.execute(statement.order_by(SyntheticResult.id).limit(1)).scalar()


def _in_flight(unit: Unit) -> int:
    statement = select(func.count()).where(SyntheticResult.status == Status.RUNNING)
    return int(unit.session.execute(statement).scalar_one())
