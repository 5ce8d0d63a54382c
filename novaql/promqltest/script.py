"""The content of a test script, as data: loads, clears and evals with their expectations."""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum

from novaql.fast_dataclass import dataclass
from novaql.model.label_set import Labels
from novaql.model.series_notation import Item


@dataclass(frozen=True, slots=True)
class SeriesValues:
    """One series line. In a load `starts_ms` may hold each sample's start, relative to it."""

    labels: Labels
    items: tuple[Item, ...]
    line: int
    starts_ms: tuple[int | None, ...] | None = None


@dataclass(frozen=True, slots=True)
class Load:
    """`series[i].items[k]` is at the time k · step. custom_buckets: `load_with_nhcb`."""

    line: int
    step_ms: int
    series: tuple[SeriesValues, ...]
    custom_buckets: bool = False


@dataclass(frozen=True, slots=True)
class Clear:
    line: int


class Kind(StrEnum):
    """The subject of an expect line."""

    FAIL = "fail"
    WARN = "warn"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class TextExpectation:
    """A message: any at all, the whole text, or an unanchored RE2 pattern."""

    message: str | None = None
    regex: str | None = None


@dataclass(frozen=True, slots=True)
class MatrixTimes:
    """`expect range vector from A to B step S`."""

    start_ms: int
    end_ms: int
    step_ms: int


@dataclass(frozen=True, slots=True)
class Expectation:
    """The expected outcome of an eval.

    series       the series of the result, and no others, in the order of the text
    scalar       a bare number: the result is this scalar
    text         a string result
    failure      the query must fail, so that this holds
    annotations  per kind: every line matches an annotation, every annotation matches a line
    forbidden    kinds that must not appear
    ordered      the order of the result counts
    matrix       the result is a range vector with values at these times
    """

    series: tuple[SeriesValues, ...] = ()
    scalar: float | None = None
    text: str | None = None
    failure: TextExpectation | None = None
    annotations: dict[Kind, tuple[TextExpectation, ...]] = field(default_factory=dict)
    forbidden: frozenset[Kind] = frozenset()
    ordered: bool = False
    matrix: MatrixTimes | None = None


@dataclass(frozen=True, slots=True)
class Eval:
    """One eval statement. Instant: start = end and step 0. `source` is its text, line by line."""

    line: int
    query: str
    start_ms: int
    end_ms: int
    step_ms: int
    expected: Expectation
    source: str

    @property
    def instant(self) -> bool:
        return self.step_ms == 0

    @property
    def title(self) -> str:
        """The first line of the statement."""
        return self.source.splitlines()[0]


Command = Load | Clear | Eval


@dataclass(frozen=True, slots=True)
class Script:
    """A file of commands in order."""

    file: str
    commands: tuple[Command, ...]
