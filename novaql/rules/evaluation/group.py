"""Evaluates a group of rules at one time: each in order; series that end are marked stale."""

from __future__ import annotations

import time

import numpy as np

from novaql.errors import NovaqlError
from novaql.fast_dataclass import dataclass
from novaql.rules.evaluation.alerting import AlertState
from novaql.rules.evaluation.context import RuleContext
from novaql.rules.evaluation.recording import record
from novaql.rules.evaluation.restore import restore
from novaql.rules.evaluation.vector import Vector
from novaql.rules.model import AlertingRule, Group, RecordingRule, Rule
from novaql.tsdb.model.labels import SeriesTable, concat_tables


@dataclass(frozen=True, slots=True)
class RuleOutcome:
    """The outcome of one rule at one time.

    series   how many series it wrote
    failure  None after a success; otherwise nothing was written
    seconds  how long it took
    """

    rule: Rule
    series: int
    failure: NovaqlError | None
    seconds: float


class GroupRun:
    """A group while it is evaluated repeatedly; times must not decrease.

    restores  continue the pending alerts that were stored before a restart
    """

    def __init__(self, group: Group, context: RuleContext, *, restores: bool = False) -> None:
        self.group = group
        self.context = context
        self.alerts = {
            number: AlertState(rule, group, silent=restores)
            for number, rule in enumerate(group.rules)
            if isinstance(rule, AlertingRule)
        }
        self._written: dict[int, SeriesTable] = {}
        offset = group.query_offset_ms
        self.offset_ms = context.query_offset_ms if offset is None else offset

    def evaluate(self, time_ms: int) -> list[RuleOutcome]:
        """Evaluate every rule; one that fails does not stop those after it."""
        outcomes = [
            self._evaluate(number, rule, time_ms) for number, rule in enumerate(self.group.rules)
        ]
        for number, state in self.alerts.items():
            if state.silent and outcomes[number].failure is None:
                restore(state, time_ms, self.context)
        return outcomes

    def _evaluate(self, number: int, rule: Rule, time_ms: int) -> RuleOutcome:
        began = time.perf_counter()
        try:
            found = self._result(number, rule, time_ms)
            gone = missing(self._written.get(number), found.series)
            if len(found) or gone is not None:
                self.context.store.write(found.batch(time_ms - self.offset_ms, gone))
            self._written[number] = found.series
        except NovaqlError as failure:
            return RuleOutcome(rule, 0, failure, time.perf_counter() - began)
        return RuleOutcome(rule, len(found), None, time.perf_counter() - began)

    def _result(self, number: int, rule: Rule, time_ms: int) -> Vector:
        if isinstance(rule, RecordingRule):
            return record(rule, self.group, time_ms - self.offset_ms, self.context)
        return self.alerts[number].evaluate(time_ms, self.offset_ms, self.context)


def missing(before: SeriesTable | None, now: SeriesTable) -> SeriesTable | None:
    """Return the series that have disappeared since the last evaluation; None: none has."""
    if before is None or before.rows == 0:
        return None
    keys = concat_tables([before, now]).keys()
    gone = ~np.isin(keys[: before.rows], keys[before.rows :])
    return before.take(gone) if gone.any() else None
