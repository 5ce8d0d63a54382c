"""The posture of an objective: attainment, error budget, burn rates, and status."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from fractions import Fraction
from typing import Any

from sqlalchemy import select

from novaql import EvaluationError, LimitExceeded, QueryError
from novaql.fast_dataclass import dataclass
from novaql.server.db.unit import Unit
from novaql.server.errors import Impossible
from novaql.server.query.measure import Meter
from novaql.server.slo.budget import (
    Budget,
    Counts,
    attainment,
    budget,
    burn_rate,
    exhaustion_seconds,
)
from novaql.server.slo.burn import BURN_WINDOWS, Verdict, pairs_of, verdicts, warnings
from novaql.server.slo.indicator import Counting, read_indicator
from novaql.server.slo.objective import Objective
from novaql.server.slo.tables import Slo
from novaql.server.slo.window import CalendarWindow, RollingWindow, Window, seconds_of

AT_RISK_BELOW = Fraction(1, 10)
"""An objective with a smaller share of its budget left is at risk, at any burn rate."""

_NOTHING = Counts(Fraction(0), Fraction(0))


@dataclass(frozen=True, slots=True)
class Posture:
    """The current state of one objective.

    bounds        start and end of its window
    attainment    share of good events; None without events
    burn_rates    by window, such as "5m"; None for a window without events
    exhaustion_s  seconds until the budget is spent at the burn rate of the last hour; None if it
                  is never spent, or without events
    coverage      share of the elapsed window that has samples
    events        number of events
    verdicts      state of the burn alerts
    """

    slo: Slo
    status: str
    bounds: tuple[datetime, datetime]
    attainment: float | None
    budget: Budget | None
    burn_rates: Mapping[str, float | None]
    exhaustion_s: float | None
    coverage: float
    events: float
    verdicts: list[Verdict]
    warnings: list[str]


def window_of(fields: Mapping[str, Any]) -> Window:
    """Parse a window from JSON fields. Raises `InvalidWindow`."""
    if "rolling" in fields:
        return RollingWindow.parse(fields["rolling"])
    return CalendarWindow.parse(fields["period"], fields["zone"])


def postures(
    unit: Unit, meter: Meter, service: str | None = None, name: str | None = None
) -> Iterator[Posture]:
    """The postures of the objectives of one service, or of all, by service and name.

    name  only that of the objective with this name

    Raises as `posture` does.
    """
    statement = select(Slo).where(Slo.archived_at.is_(None)).order_by(Slo.service, Slo.name)
    if service is not None:
        statement = statement.where(Slo.service == service)
    if name is not None:
        statement = statement.where(Slo.name == name)
    for slo in unit.session.execute(statement).scalars():
        yield posture(slo, meter)


def posture(slo: Slo, meter: Meter) -> Posture:
    """Measure one objective.

    If its expressions cannot be evaluated, it has no data, and a warning states the error, so that
    it does not hide the other objectives of a list. Raises `QueryTimeout`, `QueryCancelled` and
    `StorageUnavailable`.
    """
    now = meter.at
    objective, window = Objective.parse(slo.objective), window_of(slo.window)
    begin, end = window.bounds(now)
    length = seconds_of((begin, end))
    passed = max(1, min(length, int(now.timestamp() - begin.timestamp())))
    usual = window.usual_seconds
    pairs = {seconds for pair in pairs_of(usual) for seconds in (pair.short, pair.long)}
    looked_at = sorted({*BURN_WINDOWS.values(), *pairs})
    try:
        counting, found = read_indicator(slo.indicator).counting(
            meter, f"{max(passed, *looked_at)}s"
        )
        whole = _count(counting, passed, meter)
        recent = {seconds: _count(counting, seconds, meter) for seconds in looked_at}
        coverage = _coverage(counting, passed, meter, now)
    except (EvaluationError, Impossible, LimitExceeded, QueryError) as error:
        found = (f"the objective cannot be evaluated: {error.message}",)
        whole, recent, coverage = _NOTHING, dict.fromkeys(looked_at, _NOTHING), 0.0
    budget_ = budget(objective, whole)
    judged = verdicts(objective, usual, recent, slo.min_events)
    rates = {name: burn_rate(objective, recent[s]) for name, s in BURN_WINDOWS.items()}
    return Posture(
        slo=slo,
        status=_status(budget_, judged),
        bounds=(begin, end),
        attainment=attainment(whole),
        budget=budget_,
        burn_rates={n: None if r is None else float(r) for n, r in rates.items()},
        exhaustion_s=exhaustion_seconds(objective, whole, recent[3600], length),
        coverage=coverage,
        events=float(whole.total),
        verdicts=judged,
        warnings=[*found, *warnings(objective, usual), *(v.reason for v in judged if v.reason)],
    )


def _count(counting: Counting, seconds: int, meter: Meter) -> Counts:
    """Count the events of the last `seconds`. A missing series counts as 0."""
    window = f"{seconds}s"
    total = meter.number(counting.total(window)) or 0.0
    if counting.bad is not None:
        bad = meter.number(counting.bad(window)) or 0.0
        return Counts.of(bad, total) or _NOTHING
    assert counting.good is not None
    good = meter.number(counting.good(window)) or 0.0
    exact = Counts.of(good, total)
    return _NOTHING if exact is None else Counts(exact.total - exact.bad, exact.total)


def _coverage(counting: Counting, seconds: int, meter: Meter, now: datetime) -> float:
    first = meter.number(counting.first(f"{seconds}s"))
    if first is None:
        return 0.0
    return round(min(1.0, max(0.0, (now.timestamp() - first) / seconds)), 4)


def _status(found: Budget | None, judged: list[Verdict]) -> str:
    if found is None:
        return "no_data"
    if found.remaining < 0:
        return "breached"
    burning = any(v.firing for v in judged)
    return "at_risk" if burning or found.remaining < AT_RISK_BELOW else "ok"
