"""The end of a run: its row, the tally of its hour, the state of its check, and its screenshots."""

from __future__ import annotations

import base64
import binascii
import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select

from novaql.server.db.unit import Unit
from novaql.server.probes.result import PHASES, Outcome
from novaql.server.synthetics.model import (
    State,
    Status,
    Streak,
    Trigger,
    next_time,
    state_of,
)
from novaql.server.synthetics.tables import (
    Synthetic,
    SyntheticRegion,
    SyntheticResult,
    SyntheticScreenshot,
)
from novaql.server.synthetics.uptime import count

STORE = "synthetics.store"
_PNG = b"\x89PNG\r\n\x1a\n"


def end(
    unit: Unit,
    check: Synthetic,
    result: SyntheticResult,
    status: Status,
    outcome: Outcome | None = None,
) -> None:
    """End a run that is queued or running, with all consequences. The check is locked.

    outcome  what its runner reports; None: there is no report
    """
    now, settings = unit.now(), unit.settings
    place = unit.session.execute(
        select(SyntheticRegion).where(
            SyntheticRegion.synthetic_id == check.id, SyntheticRegion.region == result.region
        )
    ).scalar_one()
    result.status, result.completed_at, result.updated_at = status.value, now, now
    result.lease = result.lease_until = None
    result.expires_at = now + timedelta(seconds=settings.synthetic_results_s)
    if outcome is not None:
        _note(unit, result, outcome)
    if place.result_id == result.id:
        place.result_id = None
    if outcome is not None and place.next_at <= now:  # the times during a long run are left out
        place.next_at = after(unit, check, place)
    place.last_result_id = result.id
    count(unit, result)
    completed = status in (Status.SUCCESS, Status.FAILURE)
    if not completed or result.trigger != Trigger.SCHEDULED:
        return
    streak = Streak(place.failures, place.successes, place.failing).after(
        success=status is Status.SUCCESS,
        failure_threshold=check.failure_threshold,
        success_threshold=check.success_threshold,
    )
    place.failures, place.successes = streak.failures, streak.successes
    place.failing = result.failing = streak.failing
    place.completed += 1
    place.succeeded += status is Status.SUCCESS
    result.counters = [place.succeeded, place.completed]
    result.stored = False
    unit.enqueue(STORE, key="all")
    _set_state(unit, check)


def after(unit: Unit, check: Synthetic, place: SyntheticRegion) -> datetime:
    """Return the time of the next scheduled run."""
    chance = random.random()  # noqa: S311 - no secret
    jitter = unit.settings.synthetic_jitter
    return next_time(place.anchor, check.interval_ms, unit.now(), jitter, chance)


def _note(unit: Unit, result: SyntheticResult, outcome: Outcome) -> None:
    """Record the facts of a run. The server determines how long it took at most."""
    assert result.started_at is not None
    most_s = max((unit.now() - result.started_at).total_seconds(), 0.0) + 1.0
    took_s = min(outcome.duration_s, most_s)
    result.failure_reason, result.detail = outcome.failure_reason, outcome.detail
    result.duration_ms = round(took_s * 1000, 3)
    result.outcome = outcome.model_dump(
        mode="json",
        exclude={"status", "failure_reason", "detail", "duration_s", "screenshots", "phases"},
    )
    phases = {name: outcome.phases[name] for name in PHASES if name in outcome.phases}
    result.outcome = {**result.outcome, "phases": phases}
    pictures = []
    for shot in outcome.screenshots:
        try:
            png = base64.b64decode(shot.png, validate=True)
        except binascii.Error:
            continue
        if png.startswith(_PNG):  # nothing else is served from this host as an image
            pictures.append((shot.name, png))
    _save(unit, result, pictures)


def _save(unit: Unit, result: SyntheticResult, pictures: Sequence[tuple[str, bytes]]) -> None:
    """Save screenshots. Above the tenant's limit they replace the oldest."""
    if not pictures:
        return
    most = unit.settings.max_synthetic_screenshots
    for name, png in pictures[:most]:
        shot = unit.new(
            SyntheticScreenshot,
            "shot",
            synthetic_id=result.synthetic_id,
            result_id=result.id,
            name=name,
            content=png,
        )
        unit.session.add(shot)
    unit.session.flush()
    number = int(
        unit.session.execute(select(func.count()).select_from(SyntheticScreenshot)).scalar_one()
    )
    if number > most:
        order = (SyntheticScreenshot.created_at, SyntheticScreenshot.id)
        oldest = select(SyntheticScreenshot.id).order_by(*order).limit(number - most)
        ids = list(unit.session.execute(oldest).scalars())
        unit.session.execute(delete(SyntheticScreenshot).where(SyntheticScreenshot.id.in_(ids)))


def _set_state(unit: Unit, check: Synthetic) -> None:
    unit.session.flush()
    rows = unit.session.execute(
        select(SyntheticRegion).where(SyntheticRegion.synthetic_id == check.id)
    ).scalars()
    places = list(rows)
    completed = sum(place.completed for place in places)
    state = state_of([p.failing for p in places], completed, check.min_failing_regions)
    if state == check.state:
        return
    before = check.state
    check.state, check.state_since = state.value, unit.now()
    failing = sorted(place.region for place in places if place.failing)
    facts = {"synthetic": summary(check), "failing_regions": failing}
    if state is State.DOWN:
        unit.publish("synthetic.failed", facts)
    elif before == State.DOWN:
        unit.publish("synthetic.recovered", facts)


def summary(check: Synthetic) -> dict[str, Any]:
    """Return what events of the state of a check contain about it."""
    return {
        "id": check.id,
        "name": check.name,
        "type": check.type,
        "target": check.target,
        "state": check.state,
        "service": check.service,
    }
