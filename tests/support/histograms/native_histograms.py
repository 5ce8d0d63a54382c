"""Native histograms for tests: conversion between columns and single ones, and random ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from novaql.model.float_histogram import (
    FloatHistogram,
    ResetHint,
    populations,
    spans_of,
    upper_bound,
    widened,
)
from novaql.tsdb.model.histograms import CUSTOM_SCHEMA, Buckets, Histograms

HINTS = (ResetHint.UNKNOWN, ResetHint.RESET, ResetHint.NOT_RESET, ResetHint.GAUGE)


def columns(singles: Sequence[FloatHistogram]) -> Histograms:
    """Many single histograms as one container."""
    ids: dict[tuple[float, ...], int] = {}
    bounds = [
        ids.setdefault(one.custom_values, len(ids)) if one.schema == CUSTOM_SCHEMA else -1
        for one in singles
    ]

    def side(counts: list[dict[int, float]]) -> Buckets:
        flat = [(row, i, c) for row, one in enumerate(counts) for i, c in one.items()]
        return Buckets.of_flat(
            np.array([f[0] for f in flat], np.int64),
            np.array([f[1] for f in flat], np.int64),
            np.array([f[2] for f in flat], np.float64),
            len(singles),
        )

    return Histograms(
        np.array([one.schema for one in singles], np.int8),
        np.array([HINTS.index(one.hint) for one in singles], np.int8),
        np.array([one.count for one in singles], np.float64),
        np.array([one.sum for one in singles], np.float64),
        np.array([one.zero_count for one in singles], np.float64),
        np.array([one.zero_threshold for one in singles], np.float64),
        side([populations(one.positive) for one in singles]),
        side([populations(one.negative) for one in singles]),
        np.array(bounds, np.int32),
        tuple(ids),
    )


def singles(h: Histograms) -> list[FloatHistogram]:
    """Each histogram of a container by itself; also checks the invariants of the container."""
    for side in (h.positive, h.negative):
        assert len(side.offsets) == len(h) + 1
        assert side.offsets[-1] == len(side.index) == len(side.population)
        assert (side.population != 0).all()
        inside = np.ones(max(len(side.index) - 1, 0), np.bool_)
        inside[side.offsets[(side.offsets > 0) & (side.offsets < len(side.index))] - 1] = False
        assert (np.diff(side.index)[inside] > 0).all()
    assert ((h.bounds >= 0) == h.is_custom).all()
    return [
        FloatHistogram(
            schema=int(h.schema[row]),
            count=float(h.count[row]),
            sum=float(h.sum[row]),
            zero_count=float(h.zero_count[row]),
            zero_threshold=float(h.zero_threshold[row]),
            positive=spans_of(_counts(h.positive, row)),
            negative=spans_of(_counts(h.negative, row)),
            custom_values=h.custom_bounds[h.bounds[row]] if h.bounds[row] >= 0 else (),
            hint=HINTS[h.hint[row]],
        )
        for row in range(len(h))
    ]


def _counts(side: Buckets, row: int) -> dict[int, float]:
    place = slice(int(side.offsets[row]), int(side.offsets[row + 1]))
    return dict(zip(side.index[place].tolist(), side.population[place].tolist(), strict=True))


_COUNTS = st.integers(1, 50).map(float)


@st.composite
def exponential(draw: st.DrawFn, hints: Sequence[ResetHint] = HINTS) -> FloatHistogram:
    """One with few buckets around 1, and none inside its zero bucket."""
    schema = draw(st.integers(-1, 3))
    threshold = draw(st.sampled_from([0.0, 0.001, 0.5, 0.6, 1.0, 1.3]))
    near = 2 ** max(schema, 0)
    indexes = st.integers(-2 * near, 2 * near)
    sides = []
    for _ in range(2):
        counts = draw(st.dictionaries(indexes, _COUNTS, max_size=5))
        sides.append({i: c for i, c in counts.items() if upper_bound(schema, i - 1) >= threshold})
    zero_count = draw(st.integers(0, 9).map(float))
    return FloatHistogram(
        schema=schema,
        count=zero_count + sum(sides[0].values()) + sum(sides[1].values()),
        sum=draw(st.integers(-100, 100).map(float)),
        zero_count=zero_count,
        zero_threshold=threshold,
        positive=spans_of(sides[0]),
        negative=spans_of(sides[1]),
        hint=draw(st.sampled_from(list(hints))),
    )


@st.composite
def custom(draw: st.DrawFn, hints: Sequence[ResetHint] = HINTS) -> FloatHistogram:
    """One with up to four custom bounds, drawn from a few."""
    bounds = draw(
        st.sets(st.sampled_from([-1.0, 1.0, 2.0, 5.0, 10.0]), max_size=4).map(sorted).map(tuple)
    )
    counts = draw(st.dictionaries(st.integers(0, len(bounds)), _COUNTS))
    return FloatHistogram(
        schema=CUSTOM_SCHEMA,
        count=sum(counts.values()),
        sum=draw(st.integers(-100, 100).map(float)),
        positive=spans_of(counts),
        custom_values=bounds,
        hint=draw(st.sampled_from(list(hints))),
    )


def any_histogram(hints: Sequence[ResetHint] = HINTS) -> st.SearchStrategy[FloatHistogram]:
    return exponential(hints) | custom(hints)


def was_reset(previous: FloatHistogram, current: FloatHistogram) -> bool:
    """A counter was reset between the two: the rules of the kernel, read for one pair."""
    if current.hint in (ResetHint.RESET, ResetHint.NOT_RESET):
        return current.hint == ResetHint.RESET
    if current.count < previous.count or current.custom != previous.custom:
        return True
    if current.custom:
        theirs = set(current.custom_values)
        common = tuple(bound for bound in previous.custom_values if bound in theirs)
        after = populations(current.rebucketed(common).positive)
        before = populations(previous.rebucketed(common).positive)
        return any(after.get(i, 0.0) < count for i, count in before.items())
    if current.schema > previous.schema or current.zero_threshold < previous.zero_threshold:
        return True
    wide = widened(previous, current.zero_threshold)
    if wide.zero_threshold != current.zero_threshold or current.zero_count < wide.zero_count:
        return True
    merged = previous.coarsened(current.schema)
    for after, before in (
        (populations(current.positive), populations(merged.positive)),
        (populations(current.negative), populations(merged.negative)),
    ):
        for index, count in before.items():
            if upper_bound(current.schema, index) <= current.zero_threshold:
                continue
            if after.get(index, 0.0) < count:
                return True
    return False
