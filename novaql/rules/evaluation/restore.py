"""Restores pending alerts after a restart, from the stored series ALERTS_FOR_STATE."""

from __future__ import annotations

from novaql.language import format_expr
from novaql.language.ast import VectorSelector
from novaql.model.label_set import Labels, labels_of
from novaql.rules.evaluation.alerting import (
    ALERT_NAME,
    ALERTS_FOR_STATE,
    ActiveAlert,
    AlertState,
    State,
)
from novaql.rules.evaluation.context import RuleContext
from novaql.rules.evaluation.vector import instant_vector
from novaql.tsdb.model.matchers import Matcher, MatchOp

OUTAGE_TOLERANCE_MS = 3_600_000
"""Longest time without evaluations after which pending alerts are still the same ones."""

GRACE_PERIOD_MS = 600_000
"""An alert that is restored fires no sooner than after this, unless its `for` is shorter."""


def restore(state: AlertState, time_ms: int, context: RuleContext) -> int:
    """Restore the times since which the alerts of a rule are active; return the number of restored
    alerts.

    To be called once, after the first evaluation since the start, which was at `time_ms`; that
    evaluation must not have written (`AlertState.silent`). Rules whose `for` is shorter than the
    grace period are not restored: their alerts fire again soon.
    """
    state.silent = False
    hold_ms = state.rule.for_ms
    if hold_ms < GRACE_PERIOD_MS or not state.alerts:
        return 0
    before = _remembered(state, time_ms, context)
    found = 0
    for labels, alert in state.alerts.items():
        if labels in before:
            found += 1
            down_ms, since_ms = before[labels]
            set_back(alert, hold_ms, time_ms, down_ms, since_ms, GRACE_PERIOD_MS)
    return found


def set_back(
    alert: ActiveAlert, hold_ms: int, time_ms: int, down_ms: int, since_ms: int, grace_ms: int
) -> None:
    """Return the time since which an alert is active, for one that was active from `since_ms` until
    evaluations ended at `down_ms`, and still is at `time_ms`. `hold_ms` is its rule's `for`."""
    remaining_ms = hold_ms - (down_ms - since_ms)
    if remaining_ms <= 0:
        alert.active_since_ms = since_ms  # it was firing, and fires at the next evaluation
    elif remaining_ms < grace_ms:
        alert.active_since_ms = time_ms + grace_ms - hold_ms
    else:
        alert.active_since_ms = since_ms + (time_ms - down_ms)  # the outage does not count
    alert.state = State.PENDING


def _remembered(
    state: AlertState, time_ms: int, context: RuleContext
) -> dict[Labels, tuple[int, int]]:
    """Labels → the time of the last sample of the series, and the time since which the alert was
    active by it."""
    name = Matcher(ALERT_NAME, MatchOp.EQUAL, state.rule.name)
    series = format_expr(VectorSelector(ALERTS_FOR_STATE, (name,)))
    at_ms = time_ms - 1
    window = f"{series}[{OUTAGE_TOLERANCE_MS}ms]"
    since = instant_vector(f"last_over_time({window})", at_ms, context)
    last = instant_vector(f"ts_of_last_over_time({window})", at_ms, context)
    written = {
        _identity(labels): round(last.values[row] * 1000) for row, labels in enumerate(last.series)
    }
    return {
        _identity(labels): (written[_identity(labels)], round(since.values[row] * 1000))
        for row, labels in enumerate(since.series)
        if _identity(labels) in written
    }


def _identity(labels: dict[str, str]) -> Labels:
    return labels_of({name: text for name, text in labels.items() if name != "__name__"})
