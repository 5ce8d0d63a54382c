"""Uptime: exact numbers of ended runs in a window, from hourly tallies and, at its edges, rows."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select

from novaql.server.db.unit import Unit
from novaql.server.synthetics.model import HOUR, Status, hour_of, uptime, whole_hours
from novaql.server.synthetics.schema import RegionUptime, UptimeNumbers, UptimeOut
from novaql.server.synthetics.tables import SyntheticResult, SyntheticTally

COUNTED = (
    Status.SUCCESS,
    Status.FAILURE,
    Status.BLOCKED,
    Status.RUNNER_LOST,
    Status.CANCELLED,
)
Numbers = Counter[str]


def count(unit: Unit, result: SyntheticResult) -> None:
    """Add an ended run to the tally of its hour. The caller holds the lock of its check."""
    assert result.completed_at is not None
    hour = hour_of(result.completed_at)
    key = (result.synthetic_id, result.region, result.trigger, hour)
    tally = unit.session.get(SyntheticTally, key)
    if tally is None:
        tally = SyntheticTally(
            synthetic_id=result.synthetic_id,
            region=result.region,
            trigger=result.trigger,
            hour=hour,
            expires_at=hour + timedelta(seconds=unit.settings.synthetic_uptime_s),
            **{status.value: 0 for status in COUNTED},
        )
        unit.session.add(tally)
    setattr(tally, result.status, getattr(tally, result.status) + 1)


def of_day(unit: Unit, ids: Sequence[str]) -> dict[str, UptimeNumbers]:
    """Return the numbers of scheduled runs of checks since the beginning of the hour that was 24
    hours ago."""
    since = hour_of(unit.now() - timedelta(hours=24))
    sums = [func.sum(getattr(SyntheticTally, status.value)) for status in COUNTED]
    found = unit.session.execute(
        select(SyntheticTally.synthetic_id, *sums)
        .where(
            SyntheticTally.synthetic_id.in_(ids),
            SyntheticTally.hour >= since,
            SyntheticTally.trigger == "scheduled",
        )
        .group_by(SyntheticTally.synthetic_id)
    )
    numbers = {row[0]: _counter(row[1:]) for row in found}
    return {one: UptimeNumbers(**shown(numbers.get(one, Counter()))) for one in ids}


def oldest_hour(unit: Unit) -> datetime:
    """Return the beginning of the oldest hour whose tallies are not deleted."""
    return hour_of(unit.now() - timedelta(seconds=unit.settings.synthetic_uptime_s)) + HOUR


def of_window(
    unit: Unit,
    check_id: str,
    start: datetime,
    end: datetime,
    *,
    region: str | None,
    manual: bool,
) -> UptimeOut:
    """Return the numbers of a window, `start` inclusive and `end` exclusive."""
    first, last = whole_hours(start, end)
    by_region: dict[str, Numbers] = defaultdict(Counter)
    if first == last:
        edges = [(start, end)]
    else:
        edges = [(start, first), (last, end)]
        _add_tallies(unit, by_region, check_id, first, last, manual=manual)
    whole = [_has_rows(unit, check_id, left, right) for left, right in edges]
    for (left, right), there in zip(edges, whole, strict=True):
        if there:
            _add_rows(unit, by_region, check_id, left, right, manual=manual)
    if not whole[0]:
        start = first
    if not whole[-1]:
        end = last
    if region is not None:
        by_region = {region: by_region.get(region, Counter())}
    total: Numbers = sum(by_region.values(), Counter())
    return UptimeOut.model_validate(
        {
            **shown(total),
            "from": start,
            "to": max(start, end),
            "regions": [
                RegionUptime(region=name, **shown(numbers))
                for name, numbers in sorted(by_region.items())
            ],
        }
    )


def shown(numbers: Mapping[str, int]) -> dict[str, Any]:
    """Return the fields of `UptimeNumbers`."""
    successful = numbers.get(Status.SUCCESS, 0)
    completed = successful + numbers.get(Status.FAILURE, 0)
    excluded = (Status.BLOCKED, Status.RUNNER_LOST, Status.CANCELLED)
    return {
        "uptime": uptime(successful, completed),
        "successful": successful,
        "completed": completed,
        "excluded": {one.value: numbers.get(one, 0) for one in excluded},
    }


def _has_rows(unit: Unit, check_id: str, start: datetime, end: datetime) -> bool:
    """Return whether no result of the hours of a window is deleted yet."""
    if start >= end:
        return True
    first, last = hour_of(start), hour_of(end) + HOUR
    table, sums = SyntheticResult, [func.sum(getattr(SyntheticTally, one)) for one in COUNTED]
    rows = select(func.count()).where(
        table.synthetic_id == check_id, table.completed_at >= first, table.completed_at < last
    )
    tallies = select(*sums).where(
        SyntheticTally.synthetic_id == check_id,
        SyntheticTally.hour >= first,
        SyntheticTally.hour < last,
    )
    counted = _counter(unit.session.execute(tallies).one()).total()
    return int(unit.session.execute(rows).scalar_one()) == counted


def _add_tallies(
    unit: Unit,
    by_region: dict[str, Numbers],
    check_id: str,
    start: datetime,
    end: datetime,
    *,
    manual: bool,
) -> None:
    sums = [func.sum(getattr(SyntheticTally, status.value)) for status in COUNTED]
    statement = select(SyntheticTally.region, *sums).where(
        SyntheticTally.synthetic_id == check_id,
        SyntheticTally.hour >= start,
        SyntheticTally.hour < end,
    )
    if not manual:
        statement = statement.where(SyntheticTally.trigger == "scheduled")
    for row in unit.session.execute(statement.group_by(SyntheticTally.region)):
        by_region[row[0]] += _counter(row[1:])


def _add_rows(
    unit: Unit,
    by_region: dict[str, Numbers],
    check_id: str,
    start: datetime,
    end: datetime,
    *,
    manual: bool,
) -> None:
    if start >= end:
        return
    table = SyntheticResult
    statement = select(table.region, table.status, func.count()).where(
        table.synthetic_id == check_id, table.completed_at >= start, table.completed_at < end
    )
    if not manual:
        statement = statement.where(table.trigger == "scheduled")
    for region, status, number in unit.session.execute(
        statement.group_by(table.region, table.status)
    ):
        by_region[region][status] += number


def _counter(values: Sequence[object]) -> Numbers:
    return Counter(
        {status.value: int(str(value or 0)) for status, value in zip(COUNTED, values, strict=True)}
    )
