"""Rule tests as written: promtool's format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from novaql.fast_dataclass import dataclass
from novaql.model.float_histogram import FloatHistogram
from novaql.model.label_set import Labels
from novaql.model.series_notation import Item
from novaql.rules.problems import Place


@dataclass(frozen=True, slots=True)
class ExpectedAlert:
    """Labels without `alertname`, and annotations, of a firing alert."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class AlertTest:
    """The alerts of this name that fire at a time (milliseconds after the start)."""

    name: str
    time_ms: int
    expected: tuple[ExpectedAlert, ...]
    place: Place = field(default=Place(1, 1), compare=False)


@dataclass(frozen=True, slots=True)
class ExpectedSample:
    labels: Labels
    value: float | FloatHistogram


@dataclass(frozen=True, slots=True)
class ExprTest:
    """The result of an instant query at a time (milliseconds after the start)."""

    expr: str
    time_ms: int
    expected: tuple[ExpectedSample, ...]
    place: Place = field(default=Place(1, 1), compare=False)


@dataclass(frozen=True, slots=True)
class TestGroup:
    """One test: data, and the expected results.

    interval_ms  distance of the samples of the input series
    start_ms     the time that test times count from, milliseconds since 1970
    """

    __test__ = False  # for pytest: this is not a test

    name: str
    interval_ms: int
    series: tuple[tuple[Labels, tuple[Item, ...]], ...] = ()
    alerts: tuple[AlertTest, ...] = ()
    exprs: tuple[ExprTest, ...] = ()
    external_labels: Mapping[str, str] = field(default_factory=dict)
    external_url: str = ""
    start_ms: int = 0
    place: Place = field(default=Place(1, 1), compare=False)

    @property
    def last_ms(self) -> int:
        """The last time that a test evaluates."""
        times = [test.time_ms for test in self.alerts] + [test.time_ms for test in self.exprs]
        return max(times, default=0)


@dataclass(frozen=True, slots=True)
class TestFile:
    """Tests of one file, and the rules they test.

    rule_files     paths, found from the folder of the test file
    missing        patterns that no file matches
    fuzzy_compare  neighbouring floats count as equal
    """

    __test__ = False  # for pytest: this is not a test

    file: str
    rule_files: tuple[str, ...]
    missing: tuple[str, ...]
    evaluation_interval_ms: int
    group_order: tuple[str, ...]
    tests: tuple[TestGroup, ...]
    fuzzy_compare: bool = False
