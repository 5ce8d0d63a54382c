"""Burn alerts over pairs of windows: a page for a fast burn, a ticket for a slow burn.

The table, for a window of 30 days: Google, The Site Reliability Workbook, "Alerting on SLOs".

    budget spent   long   short   factor   severity
        2 %         1h      5m     14.4    page
        5 %         6h     30m      6      page
       10 %         1d      2h      3      ticket
       10 %         3d      6h      1      ticket

A factor is (budget spent) · W / (long window): it is proportional to the window W of the objective.
For a short W a factor would fall below 1, and an alert would fire at a burn rate that the objective
allows. Below four weeks the windows therefore shrink with W, and the factors are constant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from fractions import Fraction

from novaql.fast_dataclass import dataclass
from novaql.server.slo.budget import Counts, burn_rate
from novaql.server.slo.objective import Objective

MINUTE, HOUR, DAY = 60, 3600, 86400


class Severity(StrEnum):
    PAGE = "page"
    TICKET = "ticket"


@dataclass(frozen=True, slots=True)
class Pair:
    """One row of the table.

    spent  share of the budget that is spent when the alert fires
    long   seconds of the long window, which shows that the burn is significant
    short  seconds of the short window, a twelfth: it ends the alert soon after the errors end
    """

    spent: Fraction
    long: int
    short: int
    severity: Severity

    def factor(self, window_seconds: int) -> Fraction:
        """The burn rate that spends the share `spent` of the budget within the long window."""
        return self.spent * window_seconds / self.long


PAIRS = (
    Pair(Fraction(2, 100), HOUR, 5 * MINUTE, Severity.PAGE),
    Pair(Fraction(5, 100), 6 * HOUR, 30 * MINUTE, Severity.PAGE),
    Pair(Fraction(10, 100), DAY, 2 * HOUR, Severity.TICKET),
    Pair(Fraction(10, 100), 3 * DAY, 6 * HOUR, Severity.TICKET),
)

BURN_WINDOWS = {
    "5m": 5 * MINUTE,
    "30m": 30 * MINUTE,
    "1h": HOUR,
    "2h": 2 * HOUR,
    "6h": 6 * HOUR,
    "1d": DAY,
    "3d": 3 * DAY,
}
"""All windows of the table, by their names in answers."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The state of the burn alerts of one severity.

    firing  whether the burn rate of a pair is above its factor in both windows
    reason  why they do not fire although a burn rate is above its factor, or empty
    """

    severity: Severity
    firing: bool
    reason: str = ""


FULL = 30 * DAY
"""The window of an objective that the table assumes."""
SHRINKS_BELOW = 28 * DAY
"""The shortest window that uses the table unchanged: its least factor is then 0.93."""
SHORTEST = 2 * MINUTE
"""The shortest short window: a shorter one has too few scrapes."""


def pairs_of(window_seconds: int) -> tuple[Pair, ...]:
    """The rows for an objective's window, without those whose windows would be too short."""
    if window_seconds >= SHRINKS_BELOW:
        return PAIRS
    return tuple(
        pair
        for pair in (_shrunk(row, window_seconds) for row in PAIRS)
        if pair.long >= 5 * pair.short
    )


def _shrunk(row: Pair, window_seconds: int) -> Pair:
    """A row scaled from 30 days to the objective's window, in whole minutes."""
    long = row.long * window_seconds // FULL // MINUTE * MINUTE
    short = max(SHORTEST, row.short * window_seconds // FULL // MINUTE * MINUTE)
    return replace(row, long=long, short=short)


def warnings(objective: Objective, window_seconds: int) -> list[str]:
    """Warnings: thresholds that are unreachable even if every event fails, and short windows."""
    pairs = pairs_of(window_seconds)
    found = []
    for severity in Severity:
        factors = [p.factor(window_seconds) for p in pairs if p.severity is severity]
        if not factors:
            found.append(f"{severity}_window_too_short")
        elif max(factors) >= objective.largest_burn_rate:
            found.append(f"{severity}_threshold_unreachable")
    return found


def verdicts(
    objective: Objective, window_seconds: int, counts: Mapping[int, Counts], min_events: int = 0
) -> list[Verdict]:
    """The verdict of each severity.

    counts      the counts of each window of `pairs_of`, by its seconds
    min_events  with fewer events in the long window no alert fires: one failure of three requests
                is not significant
    """
    found = {severity: Verdict(severity, firing=False) for severity in Severity}
    for pair in pairs_of(window_seconds):
        severity, factor = pair.severity, pair.factor(window_seconds)
        long, short = counts[pair.long], counts[pair.short]
        above = _above(objective, long, factor) and _above(objective, short, factor)
        if not above or found[severity].firing:
            continue
        if long.total >= min_events:
            found[severity] = Verdict(severity, firing=True)
        else:
            few = f"only {float(long.total):g} events in {pair.long} s, of {min_events} required"
            found[severity] = Verdict(severity, firing=False, reason=few)
    return list(found.values())


def _above(objective: Objective, counts: Counts, factor: Fraction) -> bool:
    rate = burn_rate(objective, counts)
    return rate is not None and rate > factor
