"""Use cases of groups. Each returns the samples that its caller stores after the commit.

The samples of two changes of a group have different times, in the order of the changes: so a stale
marker of the first cannot hide a sample of the second.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import func, select

from novaql.inputs import concat_batches
from novaql.server.clock import to_ms
from novaql.server.db.engine import flushed_or
from novaql.server.db.tables import Job
from novaql.server.db.tenant_limits import check_limit, limit_reached
from novaql.server.db.unit import Unit
from novaql.server.errors import Busy
from novaql.server.prometheus.read_messages import label_octets
from novaql.server.pushes.grouping import key_of
from novaql.server.pushes.samples import (
    Pushed,
    at,
    decoded,
    encoded,
    gone,
    merged,
    push_times,
    stale,
    without_families,
)
from novaql.server.pushes.tables import PushGroup
from novaql.tsdb import Batch

SAMPLE = "pushes.sample"
"""The job that stores samples of the tenant's groups."""


def push(unit: Unit, labels: Mapping[str, str], pushed: Pushed, *, replaces: bool) -> Batch:
    """Replace the metrics of a group, or only those of the pushed families.

    Raises `Conflict` `limit_reached` before it creates or changes a group.
    """
    group = _locked(unit, labels) or _new(unit, labels)
    before = decoded([group.content])
    families = dict(pushed.families)
    after = pushed.batch
    if not replaces:
        after = merged(without_families(before, group.families, families), after)
        families = {**group.families, **families}
    _check_size(unit, group, label_octets(after.series))  # before this is in memory
    content = encoded(after)
    _check_size(unit, group, len(content))
    group.content, group.octets, group.families = content, len(content), families
    group.pushed_at = unit.now()
    time_ms = _next_time(unit, group)
    left = gone(before.series, after.series)
    return concat_batches([at(merged(after, _times(group)), time_ms), stale(left, time_ms)])


def fail(unit: Unit, labels: Mapping[str, str]) -> Batch:
    """Record that a push was rejected. Raises `Conflict` `limit_reached` for a new group beyond the
    limit."""
    group = _locked(unit, labels) or _new(unit, labels)
    group.failed_at = unit.now()
    return at(_times(group), _next_time(unit, group))


def delete(unit: Unit, labels: Mapping[str, str]) -> Batch | None:
    """Delete a group. None if there is no such group."""
    group = _locked(unit, labels)
    if group is None:
        return None
    unit.session.delete(group)
    series = merged(decoded([group.content]), _times(group)).series
    return stale(series, _next_time(unit, group))


def current(groups: list[PushGroup], time_ms: int) -> Batch:
    """Return the samples of groups at a time."""
    times = push_times([(one.labels, one.pushed_at, one.failed_at) for one in groups])
    return at(merged(decoded([one.content for one in groups]), times), time_ms)


def _locked(unit: Unit, labels: Mapping[str, str]) -> PushGroup | None:
    wanted = select(PushGroup).where(PushGroup.key == key_of(labels)).with_for_update()
    return unit.session.execute(wanted).scalar_one_or_none()


def _new(unit: Unit, labels: Mapping[str, str]) -> PushGroup:
    """Create a group, and the job of its tenant if there is none."""
    check_limit(unit, "max_push_groups", PushGroup)
    # Another request may have created the group while this one waited for its turn.
    found = _locked(unit, labels)
    if found is not None:
        return found
    group = unit.new(
        PushGroup,
        "push",
        key=key_of(labels),
        labels=dict(labels),
        families={},
        content=b"",
        octets=0,
        sampled_ms=0,
    )
    busy = Busy("another request creates this group", headers={"Retry-After": "1"})
    with flushed_or(unit.session, busy):
        unit.session.add(group)
    job = select(Job.id).where(Job.kind == SAMPLE, Job.key == unit.tenant_id).with_for_update()
    if unit.session.execute(job).first() is None:
        wait = timedelta(seconds=unit.settings.push_interval_s)
        unit.enqueue(SAMPLE, key=unit.tenant_id, run_at=unit.now() + wait)
    return group


def _check_size(unit: Unit, group: PushGroup, octets: int) -> None:
    most = unit.settings.max_push_bytes
    if not most or octets <= group.octets:
        return
    others = select(func.coalesce(func.sum(PushGroup.octets), 0)).where(PushGroup.id != group.id)
    if int(unit.session.execute(others).scalar_one()) + octets > most:
        message = f"the tenant may have {most} bytes of pushed metrics"
        raise limit_reached("max_push_bytes", message, most)


def _next_time(unit: Unit, group: PushGroup) -> int:
    group.sampled_ms = max(to_ms(unit.now()), group.sampled_ms + 1)
    unit.touch(group)
    return group.sampled_ms


def _times(group: PushGroup) -> Batch:
    return push_times([(group.labels, group.pushed_at, group.failed_at)])
