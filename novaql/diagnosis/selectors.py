"""Why a selector finds nothing: no such metric, a matcher, or the time."""

from __future__ import annotations

from collections.abc import Sequence

from novaql.diagnosis.cause import Reason
from novaql.diagnosis.nearest import nearest
from novaql.fast_dataclass import dataclass
from novaql.language.ast import VectorSelector
from novaql.selectors import matcher_sets_of, matchers_of
from novaql.text.labels import label_name, quoted
from novaql.text.times import time_text
from novaql.tsdb.model.labels import METRIC_NAME
from novaql.tsdb.model.matchers import Matcher, MatchOp
from novaql.tsdb.model.source import (
    FIRST_SAMPLE_MS,
    LAST_SAMPLE_MS,
    MAX_TIME_MS,
    MIN_TIME_MS,
    Bounded,
    Source,
)

_FEW_METRICS = 5
"""The number of metrics that are listed if none is similar to the missing one."""

Sets = Sequence[Sequence[Matcher]]


@dataclass(frozen=True, slots=True)
class Found:
    """The part of a `Cause` about a selector."""

    reason: Reason
    message: str
    suggestions: tuple[str, ...] = ()
    data_range: tuple[float, float] | None = None


def has_series(source: Source, selector: VectorSelector, start_ms: int, end_ms: int) -> bool:
    """Whether a selector has series in a range of time."""
    return _exists(source, matcher_sets_of(selector), start_ms, end_ms)


def why_selector(
    source: Source,
    selector: VectorSelector,
    start_ms: int,
    end_ms: int,
    *,
    search_range: bool = True,
) -> Found:
    """Return why a selector has no samples in a range of time.

    search_range  find the times at which its series have some, by up to a hundred look-ups
    """
    own, sets = matchers_of(selector), matcher_sets_of(selector)
    if _exists(source, sets):
        return _of_range(source, sets, start_ms, end_ms, search_range=search_range)
    names = [m for m in own if m.name == METRIC_NAME and m.op is MatchOp.EQUAL]
    if names and not _exists(source, [names]):
        wanted = names[0].value
        there = source.label_values(METRIC_NAME, [], MIN_TIME_MS, MAX_TIME_MS)
        near = nearest(wanted, there)
        why = "" if near else _other_metrics(source, there)
        return Found(Reason.METRIC, f"there is no metric {wanted}{why}", near)
    for matcher in own:
        rest = [[m for m in matchers if m is not matcher] for matchers in sets]
        if matcher not in names and _selective(rest) and _exists(source, rest):
            return _of_matcher(source, matcher, rest)
    if selector.alternatives:
        return Found(Reason.MATCHER, "no series satisfies any of the alternatives")
    for count in range(1, len(own) + 1):  # the first matcher that leaves no series
        if _selective([own[:count]]) and not _exists(source, [own[:count]]):
            return _of_matcher(source, own[count - 1], [own[: count - 1]])
    return Found(Reason.MATCHER, "no series satisfies all matchers")


def _other_metrics(source: Source, names: Sequence[str]) -> str:
    """All metrics, if they are few."""
    if not names:
        return _without_names(source)
    if len(names) > _FEW_METRICS:
        return ""
    return f": the only one is {names[0]}" if len(names) == 1 else f": there are {', '.join(names)}"


def _without_names(source: Source) -> str:
    """The remedy for a table without a column of metric names."""
    labels = source.label_names([], MIN_TIME_MS, MAX_TIME_MS)
    if not labels:
        return ""
    name, value = labels[0], source.label_values(labels[0], [], MIN_TIME_MS, MAX_TIME_MS)[0]
    return f": no series has a name; select them by labels: {{{label_name(name)}={quoted(value)}}}"


def _selective(sets: Sets) -> bool:
    return all(any(not m.matches("") for m in matchers) for matchers in sets)


def _exists(
    source: Source, sets: Sets, start_ms: int = MIN_TIME_MS, end_ms: int = MAX_TIME_MS
) -> bool:
    # A series has a label. Its names cost less than the label sets of all series, which are merged.
    return bool(source.label_names(sets, start_ms, end_ms))


def _of_matcher(source: Source, matcher: Matcher, rest: Sets) -> Found:
    """matcher: without it, the series of `rest` are left."""
    rest = rest if _selective(rest) else []
    values = source.label_values(matcher.name, rest, MIN_TIME_MS, MAX_TIME_MS)
    if not values:
        labels = source.label_names(rest, MIN_TIME_MS, MAX_TIME_MS)
        return Found(
            Reason.MATCHER,
            f"{matcher} removes all series: none has the label {matcher.name}",
            nearest(matcher.name, [name for name in labels if name != METRIC_NAME]),
        )
    few = ", ".join(map(quoted, values[:3])) + (", …" if len(values) > 3 else "")
    near = nearest(matcher.value, values) if not matcher.op.is_negative else ()
    return Found(
        Reason.MATCHER,
        f"{matcher} removes all series: values are {few}",
        tuple(f"{label_name(matcher.name)}={quoted(value)}" for value in near),
    )


def _of_range(
    source: Source, sets: Sets, start_ms: int, end_ms: int, *, search_range: bool
) -> Found:
    read = f"between {time_text(start_ms)} and {time_text(end_ms)}"
    there = _data_range(source, sets) if search_range else None
    if there is None:
        return Found(Reason.RANGE, f"the series have no samples {read}")
    first, last = there
    where = f"they have some from {time_text(first)} to {time_text(last)}"
    return Found(
        Reason.RANGE,
        f"the series have no samples {read}; {where}",
        data_range=(first / 1000, last / 1000),
    )


def _data_range(source: Source, sets: Sets) -> tuple[int, int] | None:
    """First and last time of the samples of some series; None: many would be read for it."""
    if not isinstance(source, Bounded):
        return None
    return _edge(source, sets, first=True), _edge(source, sets, first=False)


def _edge(source: Source, sets: Sets, *, first: bool) -> int:
    """The first or the last time at which there is a sample, by bisection."""
    low, high = FIRST_SAMPLE_MS, LAST_SAMPLE_MS
    while low < high:
        middle = (low + high) // 2
        if first:
            found = _exists(source, sets, FIRST_SAMPLE_MS, middle)
            low, high = (low, middle) if found else (middle + 1, high)
        else:
            found = _exists(source, sets, middle + 1, LAST_SAMPLE_MS)
            low, high = (middle + 1, high) if found else (low, middle)
    return low
