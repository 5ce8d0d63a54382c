"""Native histograms of floats: one value with a population per bucket, and how two are added.

Bucket `i` of schema `s` counts observations in (2^((i-1)·2^-s), 2^(i·2^-s)]; negative buckets
mirror that. Schema -53 has explicit ascending upper bounds instead: bucket `i` is between
`custom_values[i - 1]` and `custom_values[i]`, and the last one reaches to infinity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from enum import StrEnum
from functools import cache
from itertools import pairwise

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.tsdb.model.histogram_buckets import upper_bounds

CUSTOM_SCHEMA = -53


class ResetHint(StrEnum):
    """Whether a counter reset is between the previous histogram and this one, as far as known."""

    UNKNOWN = "unknown"
    RESET = "reset"
    NOT_RESET = "not_reset"
    GAUGE = "gauge"


class IncompatibleHistograms(ValueError):
    """The two have no common bucket layout."""


@dataclass(frozen=True, slots=True)
class Span:
    """Populations of consecutive buckets, the first at index `start`."""

    start: int
    counts: tuple[float, ...]

    @property
    def end(self) -> int:
        return self.start + len(self.counts)


@dataclass(frozen=True, slots=True)
class FloatHistogram:
    """One native histogram.

    positive, negative  spans by increasing index, never overlapping; populations are absolute
    custom_values       upper bounds of schema -53, +Inf left out
    hint                see `ResetHint`

    The consistency of `count` with the buckets is not checked.
    """

    schema: int = 0
    count: float = 0.0
    sum: float = 0.0
    zero_count: float = 0.0
    zero_threshold: float = 0.0
    positive: tuple[Span, ...] = ()
    negative: tuple[Span, ...] = ()
    custom_values: tuple[float, ...] = ()
    hint: ResetHint = ResetHint.UNKNOWN

    @property
    def custom(self) -> bool:
        return self.schema == CUSTOM_SCHEMA

    def compacted(self) -> FloatHistogram:
        """Return the histogram without empty buckets; adjacent spans are joined."""
        return replace(
            self,
            positive=spans_of(populations(self.positive)),
            negative=spans_of(populations(self.negative)),
        )

    def coarsened(self, schema: int) -> FloatHistogram:
        """Return the histogram at a coarser exponential schema: buckets are merged, none is
        split."""
        if self.custom or schema > self.schema:
            raise IncompatibleHistograms(f"schema {self.schema} cannot become schema {schema}")
        if schema == self.schema:
            return self
        shift = self.schema - schema
        return replace(
            self,
            schema=schema,
            positive=_merged(self.positive, lambda i: ((i - 1) >> shift) + 1),
            negative=_merged(self.negative, lambda i: ((i - 1) >> shift) + 1),
        )

    def rebucketed(self, bounds: tuple[float, ...]) -> FloatHistogram:
        """Return the histogram at fewer custom bounds, all of which are among its own."""
        if bounds == self.custom_values:
            return self
        places = []
        new = 0
        for bound in self.custom_values:
            while new < len(bounds) and bounds[new] < bound:
                new += 1
            places.append(new)
        places.append(len(bounds))  # the bucket up to +Inf
        return replace(
            self, custom_values=bounds, positive=_merged(self.positive, lambda i: places[i])
        )

    def scaled(self, factor: float) -> FloatHistogram:
        """Return the histogram with every population, count and sum times `factor`."""

        def times(spans: tuple[Span, ...]) -> tuple[Span, ...]:
            return tuple(Span(s.start, tuple(c * factor for c in s.counts)) for s in spans)

        return replace(
            self,
            count=self.count * factor,
            sum=self.sum * factor,
            zero_count=self.zero_count * factor,
            positive=times(self.positive),
            negative=times(self.negative),
        )


@cache
def upper_bound(schema: int, index: int) -> float:
    """Upper end of an exponential bucket."""
    return float(upper_bounds(np.array([schema]), np.array([index]))[0])


def populations(spans: Iterable[Span]) -> dict[int, float]:
    """Bucket index → population, empty buckets included, by increasing index."""
    return {span.start + i: count for span in spans for i, count in enumerate(span.counts)}


def spans_of(counts: Mapping[int, float]) -> tuple[Span, ...]:
    """Spans of the buckets that are not empty."""
    spans: list[Span] = []
    run: list[float] = []
    indices = sorted(i for i, count in counts.items() if count != 0)
    for index, following in pairwise([*indices, None]):
        assert index is not None
        run.append(counts[index])
        if following != index + 1:
            spans.append(Span(index + 1 - len(run), tuple(run)))
            run = []
    return tuple(spans)


def add(left: FloatHistogram, right: FloatHistogram) -> FloatHistogram:
    """Sum of two histograms at the coarser resolution of the two.

    Zero buckets are brought to a common width first; of unequal custom bounds the common ones
    remain. Raises `IncompatibleHistograms` for an exponential and a custom one.
    """
    return _combined(left, right, 1.0)


def subtract(left: FloatHistogram, right: FloatHistogram) -> FloatHistogram:
    """Like `add`, bucket by bucket less the right one's."""
    return _combined(left, right, -1.0)


def _combined(left: FloatHistogram, right: FloatHistogram, sign: float) -> FloatHistogram:
    if left.custom != right.custom:
        raise IncompatibleHistograms("one has exponential buckets, the other custom ones")
    hint = combined_hint(left.hint, right.hint)
    if left.custom:
        theirs = set(right.custom_values)
        common = tuple(bound for bound in left.custom_values if bound in theirs)
        left, right = left.rebucketed(common), right.rebucketed(common)
    else:
        left, right = _common_zero_bucket(left, right)
        schema = min(left.schema, right.schema)
        left, right = left.coarsened(schema), right.coarsened(schema)
    right = right.scaled(sign)
    return replace(
        left,
        count=left.count + right.count,
        sum=left.sum + right.sum,
        zero_count=left.zero_count + right.zero_count,
        positive=_added(left.positive, right.positive),
        negative=_added(left.negative, right.negative),
        hint=hint,
    )


def combined_hint(left: ResetHint, right: ResetHint) -> ResetHint:
    """Hint of a sum: an equal hint is returned; gauge has precedence, then unknown; contradictions
    are unknown."""
    if left == right:
        return left
    if ResetHint.GAUGE in (left, right):
        return ResetHint.GAUGE
    return ResetHint.UNKNOWN


def _added(left: tuple[Span, ...], right: tuple[Span, ...]) -> tuple[Span, ...]:
    counts = populations(left)
    for index, count in populations(right).items():
        counts[index] = counts.get(index, 0.0) + count
    return spans_of(counts)


def _merged(spans: tuple[Span, ...], place: Callable[[int], int]) -> tuple[Span, ...]:
    counts: dict[int, float] = {}
    for index, count in populations(spans).items():
        counts[place(index)] = counts.get(place(index), 0.0) + count
    return spans_of(counts)


def _common_zero_bucket(
    left: FloatHistogram, right: FloatHistogram
) -> tuple[FloatHistogram, FloatHistogram]:
    """Widen the narrower zero bucket until both are equal; a populated bucket is never cut."""
    while left.zero_threshold != right.zero_threshold:
        wide = max(left.zero_threshold, right.zero_threshold)
        left, right = widened(left, wide), widened(right, wide)
    return left, right


def widened(histogram: FloatHistogram, threshold: float) -> FloatHistogram:
    """Move the buckets below `threshold` into the zero bucket.

    A populated bucket that contains `threshold` is moved as a whole, and the zero bucket ends at
    its end.
    """
    if threshold <= histogram.zero_threshold:
        return histogram
    schema = histogram.schema
    counts = [populations(histogram.positive), populations(histogram.negative)]
    grown = True
    while grown:
        grown = False
        for index, count in [*counts[0].items(), *counts[1].items()]:
            if count and upper_bound(schema, index - 1) < threshold < upper_bound(schema, index):
                threshold = upper_bound(schema, index)
                grown = True
    taken = 0.0
    for side in counts:
        for index in [i for i in side if upper_bound(schema, i) <= threshold]:
            taken += side.pop(index)
    return replace(
        histogram,
        zero_threshold=threshold,
        zero_count=histogram.zero_count + taken,
        positive=spans_of(counts[0]),
        negative=spans_of(counts[1]),
    )
