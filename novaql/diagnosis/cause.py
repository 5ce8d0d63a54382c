"""The answer: parts of a query that have no data, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum

from novaql.bound_query import BoundQuery
from novaql.fast_dataclass import dataclass

Labels = Mapping[str, str]


class Reason(StrEnum):
    """Why a part of a query has no data."""

    METRIC = "metric"  # there is no metric of this name
    MATCHER = "matcher"  # a matcher removes all series
    RANGE = "range"  # the series have no samples in the time that is read
    SAMPLES = "samples"  # a function needs more samples in a window than there are
    COMPARISON = "comparison"  # a comparison removes all values
    JOIN = "join"  # no series of one side has a partner on the other
    EXCLUDED = "excluded"  # `unless`: all series have a partner on the other side
    FUNCTION = "function"  # a function or aggregation has no result for its input


@dataclass(frozen=True, slots=True)
class Cause:
    """A part of a query without data; what is below it has data, or does not matter.

    start, end      the part's characters in the query
    line, column    of the start, from 1
    suggestions     the nearest names or values that have data, the best first
    data_range      first and last time of the series in Unix seconds, for `Reason.RANGE`
    left, right     examples of label sets of both sides, for `Reason.JOIN`; of the labels that are
                    compared
    """

    reason: Reason
    message: str
    part: str
    start: int
    end: int
    line: int
    column: int
    suggestions: tuple[str, ...] = ()
    data_range: tuple[float, float] | None = None
    left: tuple[Labels, ...] = ()
    right: tuple[Labels, ...] = ()

    def __str__(self) -> str:
        lines = [f"{self.line}:{self.column}: {self.message} ({self.reason})"]
        if self.suggestions:
            lines.append(f"  did you mean {', '.join(self.suggestions)}?")
        for side, sets in (("left", self.left), ("right", self.right)):
            lines += [f"  {side}: {_shown(labels)}" for labels in sets]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class WhyEmpty:
    """empty: whether the query has no result; if not, there are no causes.

    complete  False: the query has more parts than were evaluated
    """

    empty: bool
    causes: tuple[Cause, ...] = ()
    complete: bool = True

    def of(self, bound: BoundQuery) -> WhyEmpty:
        """Return the causes with their places in the text that the caller wrote."""
        if not bound.values:
            return self
        causes = []
        for cause in self.causes:
            place = bound.place(cause.start, cause.end)
            part = bound.written[place["start"] : place["end"]]
            causes.append(replace(cause, part=part, **place))
        return replace(self, causes=tuple(causes))

    def __str__(self) -> str:
        if not self.empty:
            return "the query has a result"
        return "\n".join(map(str, self.causes)) or "no cause was found"


def _shown(labels: Labels) -> str:
    return "{" + ", ".join(f'{name}="{value}"' for name, value in labels.items()) + "}"
