"""Error budget, burn rate and attainment from counts of events, computed in exact fractions.

Formulas: Google, The Site Reliability Workbook, chapter "Alerting on SLOs". With objective T and
the error ratio e(w) = bad(w) / total(w) of a window w:

    attainment        1 - e(W)                       W: the window of the objective
    budget allowed    1 - T                          as a share of events
    budget consumed   e(W) / (1 - T)                 may be more than 1
    budget remaining  1 - consumed                   may be negative
    burn rate of w    e(w) / (1 - T)                 1 spends exactly the budget over W
    exhaustion        remaining · W / burn rate      time until nothing remains at this rate
"""

from __future__ import annotations

import math
from fractions import Fraction

from novaql.fast_dataclass import dataclass
from novaql.server.slo.objective import Objective


@dataclass(frozen=True, slots=True)
class Counts:
    """The events of one window. Counts come from counters and may be fractional.

    bad, total  0 ≤ bad ≤ total; a window without events has total 0
    """

    bad: Fraction
    total: Fraction

    @classmethod
    def of(cls, bad: float, total: float) -> Counts | None:
        """Counts from the results of queries; None if one is NaN or infinite.

        Extrapolation at the edges of the window can make bad exceed total, and rounding can make a
        count negative: both are clamped.
        """
        if not (math.isfinite(bad) and math.isfinite(total)):
            return None
        whole = max(Fraction(total), Fraction(0))
        return cls(min(max(Fraction(bad), Fraction(0)), whole), whole)

    @property
    def error_ratio(self) -> Fraction | None:
        """bad / total; None without events, which is neither success nor failure."""
        return self.bad / self.total if self.total else None


@dataclass(frozen=True, slots=True)
class Budget:
    """The error budget over the objective's window.

    allowed            1 - T, the share of events that may be bad
    allowed_events     that share of the counted events
    consumed           the share of the budget that is spent; 1 is all of it
    remaining          1 - consumed; negative if the budget is overspent
    remaining_clamped  `remaining`, at least 0
    """

    allowed: float
    allowed_events: float
    consumed: float
    remaining: float
    remaining_clamped: float


def attainment(counts: Counts) -> float | None:
    """The share of good events; None without events."""
    ratio = counts.error_ratio
    return None if ratio is None else float(1 - ratio)


def budget(objective: Objective, counts: Counts) -> Budget | None:
    """The error budget; None without events."""
    ratio = counts.error_ratio
    if ratio is None:
        return None
    consumed = ratio / objective.allowed
    return Budget(
        allowed=float(objective.allowed),
        allowed_events=float(objective.allowed * counts.total),
        consumed=float(consumed),
        remaining=float(1 - consumed),
        remaining_clamped=float(max(1 - consumed, Fraction(0))),
    )


def burn_rate(objective: Objective, counts: Counts) -> Fraction | None:
    """How many times faster than allowed events fail; None without events."""
    ratio = counts.error_ratio
    return None if ratio is None else ratio / objective.allowed


def exhaustion_seconds(
    objective: Objective, whole: Counts, recent: Counts, window_seconds: int
) -> float | None:
    """Time until the budget is spent if errors continue at the rate of `recent`.

    0 if it is spent already; None if it is never spent, or without events.
    """
    ratio, rate = whole.error_ratio, burn_rate(objective, recent)
    if ratio is None or rate is None:
        return None
    remaining = 1 - ratio / objective.allowed
    if remaining <= 0:
        return 0.0
    return None if rate == 0 else float(remaining * window_seconds / rate)
