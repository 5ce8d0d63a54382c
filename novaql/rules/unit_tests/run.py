"""Runs tests of rules."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from novaql.errors import NovaqlError
from novaql.fast_dataclass import dataclass
from novaql.model.float_histogram import FloatHistogram, ResetHint
from novaql.model.histogram_notation import format_histogram
from novaql.model.label_set import Labels, labels_of
from novaql.rules.durations import format_duration
from novaql.rules.evaluation.alerting import ALERT_NAME, State
from novaql.rules.evaluation.context import RuleContext
from novaql.rules.evaluation.group import GroupRun
from novaql.rules.evaluation.vector import instant_vector
from novaql.rules.model import RuleFile
from novaql.rules.problems import Place
from novaql.rules.unit_tests.model import AlertTest, ExprTest, TestFile, TestGroup
from novaql.rules.unit_tests.show import FoundAlert, shown_alerts, shown_samples
from novaql.rules.unit_tests.store import TestStore

Value = float | FloatHistogram


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed expectation, as text of several lines, and its place in the file."""

    place: Place
    text: str


@dataclass(frozen=True, slots=True)
class TestOutcome:
    """The outcome of one test; `failures` is empty if it passed."""

    __test__ = False  # for pytest: this is not a test

    name: str
    place: Place
    failures: tuple[Failure, ...]
    seconds: float


def run_tests(
    tests: TestFile,
    rules: Sequence[RuleFile],
    *,
    wanted: Callable[[str], bool] = lambda name: True,
) -> Iterator[TestOutcome]:
    """Run the tests whose name is selected, in order."""
    for test in tests.tests:
        if wanted(test.name):
            began = time.perf_counter()
            failures = tuple(_Run(tests, test, rules).failures())
            yield TestOutcome(test.name, test.place, failures, time.perf_counter() - began)


class _Run:
    """One test while it runs."""

    def __init__(self, file: TestFile, test: TestGroup, rules: Sequence[RuleFile]) -> None:
        self.file = file
        self.test = test
        self.store = TestStore(test.series, test.interval_ms, test.start_ms)
        self.context = RuleContext(
            self.store,
            external_labels=test.external_labels,
            external_url=test.external_url,
            subquery_step_ms=file.evaluation_interval_ms,
        )
        order = {name: number for number, name in enumerate(file.group_order)}
        groups = [group for rule_file in rules for group in rule_file.groups]
        groups.sort(key=lambda group: order.get(group.name, 0))
        self.groups = [GroupRun(group, self.context) for group in groups]

    def failures(self) -> Iterator[Failure]:
        waiting = sorted(self.test.alerts, key=lambda test: test.time_ms)
        interval = self.file.evaluation_interval_ms
        for time_ms in range(0, self.test.last_ms + 1, interval):
            failed = list(self.evaluate(time_ms))
            yield from failed
            if failed:
                return
            while waiting and waiting[0].time_ms < time_ms + interval:
                yield from self.alert_failures(waiting.pop(0))
        for test in self.test.exprs:
            yield from self.expr_failures(test)

    def evaluate(self, time_ms: int) -> Iterator[Failure]:
        """Evaluate every group; return the rules that fail."""
        now = self.test.start_ms + time_ms
        self.store.load_until(now)
        for group in self.groups:
            for outcome in group.evaluate(now):
                if outcome.failure is not None:
                    first = str(outcome.failure).splitlines()[0]
                    at = format_duration(time_ms)
                    text = f"    rule: {outcome.rule.name}, time: {at}, err: {first}"
                    yield Failure(self.test.place, text)

    def alert_failures(self, test: AlertTest) -> Iterator[Failure]:
        found: list[FoundAlert] = [
            (alert.labels, labels_of(alert.annotations))
            for group in self.groups
            for state in group.alerts.values()
            if state.rule.name == test.name
            for alert in state.active(State.FIRING)
        ]
        expected: list[FoundAlert] = [
            (
                _present({**alert.labels, ALERT_NAME: test.name}),
                labels_of(alert.annotations),
            )
            for alert in test.expected
        ]
        if sorted(found) != sorted(expected):
            yield Failure(
                test.place,
                f"{self.head()}    alertname: {test.name}, time: {format_duration(test.time_ms)},\n"
                f"        exp:{shown_alerts(expected)},\n"
                f"        got:{shown_alerts(found)}",
            )

    def expr_failures(self, test: ExprTest) -> Iterator[Failure]:
        head = f"    expr: {test.expr!r}, time: {format_duration(test.time_ms)},"
        try:
            vector = instant_vector(test.expr, self.test.start_ms + test.time_ms, self.context)
        except NovaqlError as problem:
            yield Failure(test.place, f"{head} err: {str(problem).splitlines()[0]}")
            return
        found = _in_order(
            (labels_of(labels), vector.value(row)) for row, labels in enumerate(vector.series)
        )
        expected = _in_order((sample.labels, sample.value) for sample in test.expected)
        if not _equal(expected, found, fuzzy=self.file.fuzzy_compare):
            yield Failure(
                test.place,
                f"{head}\n        exp: {shown_samples(expected)}\n"
                f"        got: {shown_samples(found)}",
            )

    def head(self) -> str:
        return "" if self.test.name.startswith("unnamed#") else f"    name: {self.test.name},\n"


def _present(labels: dict[str, str]) -> Labels:
    return labels_of({name: value for name, value in labels.items() if value})


def _in_order(samples: Iterable[tuple[Labels, Value]]) -> list[tuple[Labels, Value]]:
    return sorted(samples, key=lambda sample: sample[0])


def _equal(
    expected: list[tuple[Labels, Value]], found: list[tuple[Labels, Value]], *, fuzzy: bool
) -> bool:
    return len(expected) == len(found) and all(
        one[0] == other[0] and _values_equal(one[1], other[1], fuzzy=fuzzy)
        for one, other in zip(expected, found, strict=True)
    )


def _values_equal(expected: Value, found: Value, *, fuzzy: bool) -> bool:
    """NaN is unequal to all values, as in promtool; `fuzzy` allows the next float on either side.

    A counter reset hint counts only if the expectation has one.
    """
    if isinstance(expected, FloatHistogram) or isinstance(found, FloatHistogram):
        if not (isinstance(expected, FloatHistogram) and isinstance(found, FloatHistogram)):
            return False
        if expected.hint is ResetHint.UNKNOWN:
            found = replace(found, hint=ResetHint.UNKNOWN)
        return format_histogram(expected) == format_histogram(found)
    near = (math.nextafter(expected, -math.inf), math.nextafter(expected, math.inf))
    return expected == found or (fuzzy and found in near)
