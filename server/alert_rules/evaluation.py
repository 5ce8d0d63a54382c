"""One evaluation of a group: it takes the library's rules from their last state to the next.

The process holds no state between two evaluations. Active alerts come from the database, series go
into the store of the tenant, and the caller saves the results. A killed process loses only the
evaluation that was running.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from functools import partial
from hashlib import sha256

import numpy as np

from novaql import NovaqlError, QueryCancelled
from novaql.fast_dataclass import dataclass
from novaql.model import Labels
from novaql.rules import AlertingRule, Group, RecordingRule
from novaql.rules.evaluation import (
    GRACE_PERIOD_MS,
    OUTAGE_TOLERANCE_MS,
    ActiveAlert,
    AlertState,
    RuleContext,
    State,
    Vector,
    instant_vector,
    missing,
    record,
    series_of,
)
from novaql.rules.evaluation import set_back as set_back_alert
from novaql.server.alert_rules.data_presence import has_data
from novaql.server.alert_rules.text_budget import (
    TextBudget,
    text_of_sets,
)
from novaql.tsdb import SeriesTable, StoreError

REASON = "reason"
"""Label of the alert for a rule that has no data or fails, and whose policy is `alerting`."""

SHORTEST_OUTAGE_MS = 60_000
ALERTING = "alerting"
OK = "ok"
Active = dict[Labels, ActiveAlert]


@dataclass(frozen=True, slots=True)
class RuleState:
    """The state of a rule after its last evaluation.

    alerts    pending and firing alerts
    recorded  series that a recording rule wrote
    intended  further series that an interrupted evaluation may have written
    no_data   `ok`, `alerting` or `keep`; on_error: `keep` or `alerting`
    """

    alerts: Active = field(default_factory=dict)
    recorded: Sequence[Mapping[str, str]] = ()
    intended: Sequence[Mapping[str, str]] = ()
    no_data: str = OK
    on_error: str = "keep"


@dataclass(frozen=True, slots=True)
class RuleResult:
    """The result of evaluating a rule.

    alerts    the alerts after the evaluation; those that resolve in it are INACTIVE
    recorded  series that a recording rule wrote in it; None if they did not change
    wrote     it wrote the series, and ended the intended ones
    """

    alerts: Active
    recorded: list[dict[str, str]] | None
    series: int
    seconds: float
    problem: str = ""
    wrote: bool = True


@dataclass(frozen=True, slots=True)
class EvaluationTime:
    """The time of an evaluation, and of earlier ones.

    last_ms     the previous evaluation; None for the first one
    resumed_ms  the first evaluation after the last outage, perhaps this one
    """

    time_ms: int
    interval_ms: int
    last_ms: int | None
    resumed_ms: int | None

    @property
    def outage(self) -> bool:
        """Whether this is the first evaluation after an outage."""
        return is_outage(self.time_ms, self.last_ms, self.interval_ms)

    @property
    def trusts_absence(self) -> bool:
        """Whether a missing series has ended. After an outage, a scrape may still bring it back."""
        if self.resumed_ms is None:
            return True
        return self.time_ms - self.resumed_ms >= max(2 * self.interval_ms, SHORTEST_OUTAGE_MS)


def is_outage(time_ms: int, last_ms: int | None, interval_ms: int) -> bool:
    """Whether the gap between two evaluations counts as an outage."""
    return last_ms is not None and time_ms - last_ms > max(3 * interval_ms, SHORTEST_OUTAGE_MS)


Intend = Callable[[int, list[dict[str, str]]], None]


def evaluate_group(
    group: Group,
    states: Sequence[RuleState],
    moment: EvaluationTime,
    context: RuleContext,
    intend: Intend = lambda *_: None,
    *,
    text: TextBudget,
) -> list[RuleResult]:
    """Evaluate every rule in order.

    intend  called with the index of a rule before the rule writes new series
    text    of the results; a rule for which it does not suffice fails, and has no alerts and series

    Raises `QueryCancelled` when the context's cancellation is set. This is not an error of a rule.
    """
    outcomes = []
    for place, (rule, known) in enumerate(zip(group.rules, states, strict=True)):
        one = _Evaluation(group, known, moment, context, partial(intend, place), text)
        began = time.perf_counter()
        result = one.record(rule) if isinstance(rule, RecordingRule) else one.alert(rule)
        outcomes.append(replace(result, seconds=time.perf_counter() - began))
    return outcomes


@dataclass(frozen=True, slots=True)
class _Evaluation:
    group: Group
    state: RuleState
    moment: EvaluationTime
    context: RuleContext
    intend: Callable[[list[dict[str, str]]], None]
    text: TextBudget

    @property
    def offset_ms(self) -> int:
        own = self.group.query_offset_ms
        return self.context.query_offset_ms if own is None else own

    def record(self, rule: RecordingRule) -> RuleResult:
        previous = SeriesTable.from_dicts([dict(labels) for labels in self.state.recorded])
        problem = ""
        try:
            found = record(rule, self.group, self.moment.time_ms - self.offset_ms, self.context)
        except QueryCancelled:
            raise
        except (NovaqlError, StoreError) as failure:
            problem = _sentence(failure)
            if self.text.takes(text_of_sets(self.state.recorded)):
                return RuleResult({}, None, 0, 0.0, problem, wrote=False)
            found = series_of([])
        recorded = found.series.dicts()
        if not self.text.takes(text_of_sets(recorded)):
            problem, found, recorded = self.text.refusal, series_of([]), []
        try:
            self._write(found, previous)
        except (NovaqlError, StoreError) as failure:
            return RuleResult({}, None, 0, 0.0, problem or _sentence(failure), wrote=False)
        return RuleResult({}, [dict(labels) for labels in recorded], len(found), 0.0, problem)

    def alert(self, rule: AlertingRule) -> RuleResult:
        moment, problem, holds_state = self.moment, "", not self.moment.trusts_absence
        written = series_of(list(self.state.alerts.values())).series
        state = AlertState(
            rule, self.group, {key: replace(alert) for key, alert in self.state.alerts.items()}
        )
        self._resume(state)
        try:
            found = state.elements(moment.time_ms, self.offset_ms, self.context)
            if not found and self.state.no_data != OK and not has_data(rule.expr, self.at):
                found, holds_state = self._policy_alert(state, self.state.no_data, "no_data"), True
        except QueryCancelled:
            raise
        except (NovaqlError, StoreError) as failure:
            problem = _sentence(failure)
            if self.state.on_error != ALERTING:
                # No alert changes its state. But the next evaluation does not know of an outage
                # before this one.
                alerts = {
                    key: state.alerts[key] if alert.state is State.PENDING else alert
                    for key, alert in self.state.alerts.items()
                }
                if self.text.takes_alerts(alerts.values()):
                    return RuleResult(alerts, None, 0, 0.0, problem, wrote=False)
                state.alerts.clear()
                found, holds_state = {}, False
            else:
                found, holds_state = self._policy_alert(state, ALERTING, "error", problem), True
        try:
            vector = state.advance(found, moment.time_ms, holds_state=holds_state)
        except NovaqlError as failure:  # above its limit: drop all of them
            problem, vector = _sentence(failure), series_of([])
        if not self.text.takes_alerts(state.alerts.values()):
            state.alerts.clear()
            problem, vector = self.text.refusal, series_of([])
        wrote = True
        try:
            self._write(vector, written)
        except (NovaqlError, StoreError) as failure:
            problem, wrote = problem or _sentence(failure), False
        return RuleResult(state.alerts, None, len(vector), 0.0, problem, wrote)

    def at(self, expr: str) -> Vector:
        """Evaluate an expression at the time of this evaluation."""
        return instant_vector(expr, self.moment.time_ms - self.offset_ms, self.context)

    def _resume(self, state: AlertState) -> None:
        """Adjust loaded alerts: apply a longer `for`, and do not count outages."""
        moment, hold_ms = self.moment, state.rule.for_ms
        for alert in state.alerts.values():
            since = alert.active_since_ms
            if alert.state is State.PENDING and moment.outage:
                assert moment.last_ms is not None
                gap = moment.time_ms - moment.last_ms
                if gap > OUTAGE_TOLERANCE_MS:
                    alert.active_since_ms = moment.time_ms
                elif hold_ms >= GRACE_PERIOD_MS:
                    set_back_alert(
                        alert, hold_ms, moment.time_ms, moment.last_ms, since, GRACE_PERIOD_MS
                    )
                else:
                    alert.active_since_ms = since + gap
            elif alert.state is State.FIRING and moment.time_ms - since < hold_ms:
                alert.state, alert.fired_ms = State.PENDING, None  # its `for` is longer now

    def _policy_alert(
        self, state: AlertState, policy: str, reason: str, message: str = ""
    ) -> Active:
        """The alert for a rule without a result; empty if the policy retains the alerts."""
        if policy != ALERTING:
            return {}
        series = SeriesTable.from_dicts([{REASON: reason}])
        element = Vector(series, np.array([math.nan], np.float64))
        found = state.labelled(element, self.moment.time_ms, self.context)
        for alert in found.values():
            if message:
                alert.annotations["error"] = message
        return found

    def _write(self, vector: Vector, before: SeriesTable) -> None:
        if self.state.intended:
            known = [*before.dicts(), *self.state.intended]
            before = SeriesTable.from_dicts(
                list({tuple(sorted(s.items())): s for s in known}.values())
            )
        fresh = missing(vector.series, before)
        if fresh is not None:
            self.intend([dict(labels) for labels in fresh.dicts()])
        gone = missing(before, vector.series)
        if len(vector) or gone is not None:
            batch = vector.batch(self.moment.time_ms - self.offset_ms, gone)
            self.context.store.write(batch)


@dataclass(frozen=True, slots=True)
class Slots:
    """The times at which a group is evaluated: at its creation, and then once per interval.

    As in Prometheus, each group has its own offset within the interval. Groups that were created
    together are therefore not evaluated together.

    anchor_ms  the first time
    phase_ms   offset of the others from a multiple of the interval
    """

    anchor_ms: int
    interval_ms: int
    phase_ms: int

    @classmethod
    def of(cls, group_id: str, anchor_ms: int, interval_ms: int, *, spread: bool) -> Slots:
        """The slots of a group. Without `spread`, they are whole intervals after the first."""
        if not spread:
            return cls(anchor_ms, interval_ms, anchor_ms % interval_ms)
        number = int.from_bytes(sha256(group_id.encode()).digest()[:8])
        return cls(anchor_ms, interval_ms, number % interval_ms)

    @property
    def _second_ms(self) -> int:
        wait = (self.phase_ms - self.anchor_ms) % self.interval_ms
        return self.anchor_ms + (wait or self.interval_ms)

    def last(self, now_ms: int) -> int:
        """The latest slot that is not in the future, or the first one if all are.

        A first slot more than an interval ahead means that the clock was set back. The other slots
        then start earlier.
        """
        second = self._second_ms
        if self.anchor_ms - self.interval_ms <= now_ms < second:
            return self.anchor_ms
        return second + (now_ms - second) // self.interval_ms * self.interval_ms

    def after(self, slot_ms: int) -> int:
        """The slot after `slot_ms`."""
        return self._second_ms if slot_ms == self.anchor_ms else slot_ms + self.interval_ms


def set_back(rule: RuleState, time_ms: int, by_ms: int) -> RuleState:
    """The state of a rule after the clock was set back by `by_ms` to `time_ms`.

    An alert whose start is now in the future retains its age; other alerts retain their start.
    """

    def moved(alert: ActiveAlert) -> ActiveAlert:
        back = by_ms if alert.active_since_ms > time_ms else 0

        def at(ms: int | None) -> int | None:
            return None if ms is None else min(ms - back, time_ms)

        return replace(
            alert,
            active_since_ms=min(alert.active_since_ms - back, time_ms),
            fired_ms=at(alert.fired_ms),
            keep_firing_since_ms=at(alert.keep_firing_since_ms),
        )

    return replace(rule, alerts={key: moved(alert) for key, alert in rule.alerts.items()})


def _sentence(problem: Exception) -> str:
    return str(problem).partition("\n")[0][:2000]
