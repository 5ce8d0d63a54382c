"""An alerting rule: pending, firing, firing after its end (`keep_firing_for`), resolved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from enum import StrEnum

import numpy as np

from novaql.errors import EvaluationError, NovaqlError, QueryCancelled, QueryTimeout
from novaql.fast_dataclass import dataclass
from novaql.model.float_histogram import FloatHistogram
from novaql.model.label_set import Labels, labels_of
from novaql.rules.evaluation.context import RuleContext
from novaql.rules.evaluation.vector import Vector, instant_vector
from novaql.rules.model import AlertingRule, Group
from novaql.rules.templates import TemplateFailure, TemplateWork, expand_alert_template
from novaql.tsdb.model.labels import METRIC_NAME, SeriesTable

ALERT_NAME = "alertname"
ALERT_STATE = "alertstate"
ALERTS = "ALERTS"
ALERTS_FOR_STATE = "ALERTS_FOR_STATE"
RESOLVED_RETENTION_MS = 15 * 60_000


class State(StrEnum):
    """INACTIVE alerts were firing and are retained for a quarter of an hour."""

    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"


@dataclass(slots=True)
class ActiveAlert:
    """One alert of a rule; times are milliseconds, None: it has not happened."""

    labels: Labels
    annotations: dict[str, str]
    value: float | FloatHistogram
    active_since_ms: int
    state: State = State.PENDING
    fired_ms: int | None = None
    resolved_ms: int | None = None
    keep_firing_since_ms: int | None = None


@dataclass(slots=True)
class AlertState:
    """The alerts of one rule, by their labels, as evaluations change them.

    silent  series are not written yet, because `restore` still has to read the earlier ones
    """

    rule: AlertingRule
    group: Group
    alerts: dict[Labels, ActiveAlert] = field(default_factory=dict)
    silent: bool = False

    def active(self, state: State | None = None) -> Iterator[ActiveAlert]:
        """Alerts that are not resolved, in this state or in any."""
        for alert in self.alerts.values():
            if alert.resolved_ms is None and state in (None, alert.state):
                yield alert

    def evaluate(self, time_ms: int, offset_ms: int, context: RuleContext) -> Vector:
        """Bring the alerts up to date; the ALERTS and ALERTS_FOR_STATE series to write.

        Raises `EvaluationError` and what queries raise; the alerts are then as before, except that
        too many of them (`limit`) are all dropped.
        """
        return self.advance(self.elements(time_ms, offset_ms, context), time_ms)

    def advance(
        self, found: Mapping[Labels, ActiveAlert], time_ms: int, *, holds_state: bool = False
    ) -> Vector:
        """Bring the alerts up to date with the elements of a time, as `elements` returns them.

        holds_state  the elements are incomplete (the data is missing, or the query failed): alerts
                     without an element retain their state

        Raises `EvaluationError` if there are more than `limit` alerts, and removes all of them.
        """
        for labels, alert in found.items():
            known = self.alerts.get(labels)
            if known is None or known.state is State.INACTIVE:
                self.alerts[labels] = alert
            else:
                known.value, known.annotations = alert.value, alert.annotations
        live = [
            alert
            for labels, alert in list(self.alerts.items())
            if (holds_state and labels not in found and alert.state is not State.INACTIVE)
            or self._moved(labels, alert, time_ms, there=labels in found)
        ]
        if 0 < self.group.limit < len(live):
            self.alerts.clear()
            raise EvaluationError(f"exceeded limit of {self.group.limit} with {len(live)} alerts")
        return series_of([] if self.silent else live)

    def _moved(self, labels: Labels, alert: ActiveAlert, time_ms: int, *, there: bool) -> bool:
        """Update the state of an alert; return whether it is pending or firing."""
        if there:
            alert.keep_firing_since_ms = None
        else:
            held = False
            if alert.state is State.FIRING and self.rule.keep_firing_for_ms > 0:
                if alert.keep_firing_since_ms is None:
                    alert.keep_firing_since_ms = time_ms
                held = time_ms - alert.keep_firing_since_ms < self.rule.keep_firing_for_ms
            resolved = alert.resolved_ms
            if alert.state is State.PENDING or (
                resolved is not None and time_ms - resolved > RESOLVED_RETENTION_MS
            ):
                del self.alerts[labels]
            if alert.state is not State.INACTIVE and not held:
                alert.state = State.INACTIVE
                alert.resolved_ms = time_ms
            if not held:
                return False
        if alert.state is State.PENDING and time_ms - alert.active_since_ms >= self.rule.for_ms:
            alert.state = State.FIRING
            alert.fired_ms = time_ms
        return True

    def elements(
        self, time_ms: int, offset_ms: int, context: RuleContext
    ) -> dict[Labels, ActiveAlert]:
        """An alert for each element of the expression's result. Raises as `evaluate` does."""
        result = instant_vector(self.rule.expr, time_ms - offset_ms, context)
        return self.labelled(result, time_ms, context)

    def labelled(
        self, result: Vector, time_ms: int, context: RuleContext
    ) -> dict[Labels, ActiveAlert]:
        """The elements of a result as alerts: with the rule's labels, templates filled in.

        All templates together have the time limit of a query. After it, annotations contain the
        error, and labels, which identify an alert, raise `QueryTimeout`. Raises `QueryCancelled`,
        and `EvaluationError` for two alerts with equal labels or more text than is allowed.
        """
        found: dict[Labels, ActiveAlert] = {}
        work = TemplateWork(context.timeout_s, context.cancellation)
        templates = self.group.labels_of(self.rule)
        for row, element in enumerate(result.series):
            value = result.value(row)

            def expand(
                text: str,
                element: dict[str, str] = element,
                value: float | FloatHistogram = value,
            ) -> str:
                return expand_alert_template(
                    text,
                    element,
                    value,
                    query=lambda expr: _template_query(expr, time_ms, context),
                    time_ms=time_ms,
                    external_labels=context.external_labels,
                    external_url=context.external_url,
                    work=work,
                )

            wanted = {name: text for name, text in element.items() if name != METRIC_NAME}
            wanted |= {name: expand(text) for name, text in templates.items()}
            wanted[ALERT_NAME] = self.rule.name
            labels = labels_of({name: text for name, text in wanted.items() if text})
            if labels in found:
                raise EvaluationError(
                    "vector contains metrics with the same labelset after applying alert labels"
                )
            annotations = {}
            for name, text in self.rule.annotations.items():
                try:
                    annotations[name] = expand(text)
                except QueryTimeout as late:
                    annotations[name] = f"<error expanding template: {late}>"
            found[labels] = ActiveAlert(labels, annotations, value, time_ms)
        return found


def _template_query(
    expr: str, time_ms: int, context: RuleContext
) -> Iterator[tuple[dict[str, str], float | FloatHistogram]]:
    try:
        found = instant_vector(expr, time_ms, context)
    except QueryCancelled:
        raise
    except NovaqlError as problem:
        raise TemplateFailure(str(problem).splitlines()[0]) from None
    return ((found.series.labels(row), found.value(row)) for row in range(len(found)))


def series_of(alerts: Sequence[ActiveAlert]) -> Vector:
    """ALERTS is 1 for each alert; ALERTS_FOR_STATE is the time since which it is active, in Unix
    seconds."""
    label_sets: list[dict[str, str]] = []
    values: list[float] = []
    for alert in alerts:
        labels = dict(alert.labels)
        label_sets.append({**labels, METRIC_NAME: ALERTS, ALERT_STATE: alert.state.value})
        label_sets.append({**labels, METRIC_NAME: ALERTS_FOR_STATE})
        values += [1.0, float(alert.active_since_ms // 1000)]
    return Vector(SeriesTable.from_dicts(label_sets), np.array(values, np.float64))
