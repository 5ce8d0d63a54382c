"""Random series of native histograms, and of floats and histograms in turn.

latency_total   exponential counters: resets, changes of resolution and of the zero bucket
sizes_total     custom bounds that change now and then
depth           gauges, exponential
mixed           floats, exponential and custom histograms in turn
seconds         native, with the labels that classic `seconds_bucket` has
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from novaql.model.float_histogram import (
    CUSTOM_SCHEMA,
    FloatHistogram,
    ResetHint,
    spans_of,
    upper_bound,
)
from novaql.model.histogram_columns import columns_of
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.samples import STALE, Batch, HistogramSamples
from tests.support.generators.random_samples import START_MS

Number = float | FloatHistogram
AnySamples = Sequence[tuple[int, Number]]
BOUNDS = ((1.0, 2.0, 5.0), (1.0, 2.0, 5.0), (1.0, 5.0), (2.0, 5.0, 10.0), (-1.0, 1.0))


def random_histograms(
    rng: random.Random, instances: int, minutes: int, interval_s: int
) -> list[tuple[dict[str, str], AnySamples]]:
    begin = START_MS - START_MS % 60_000
    times = [begin + 1000 * second for second in range(0, minutes * 60, interval_s)]
    makers: dict[str, Callable[[], Counter | Mixture]] = {
        "latency_total": lambda: Counter(rng, custom=False),
        "sizes_total": lambda: Counter(rng, custom=True),
        "depth": lambda: Gauge(rng),
        "mixed": lambda: Mixture(rng),
        "seconds": lambda: Counter(rng, custom=False),
    }
    out: list[tuple[dict[str, str], AnySamples]] = []
    for number in range(instances):
        labels = {"instance": f"i{number}", "job": rng.choice(("api", "web"))}
        for name, make in makers.items():
            walk = make()
            samples = [(at, next(walk)) for at in times if rng.random() < 0.9]
            if samples and rng.random() < 0.2:
                place = rng.randrange(len(samples))
                samples[place] = samples[place][0], STALE
            out.append(({"__name__": name, **labels}, samples))
    return out


class Counter:
    """A counter of observations; at times the process restarts, or has new buckets."""

    def __init__(self, rng: random.Random, *, custom: bool) -> None:
        self.rng, self.custom = rng, custom
        self.begin()

    def begin(self) -> None:
        self.schema = self.rng.choice((0, 1, 2))
        self.bounds = self.rng.choice(BOUNDS)
        self.threshold = self.rng.choice((0.0, 0.0, 0.25, 0.5))
        self.sides: list[dict[int, float]] = [{}, {}]
        self.zero = self.sum = 0.0

    def __next__(self) -> FloatHistogram:
        if self.rng.random() < 0.12:
            self.begin()
        for _ in range(self.rng.randrange(4)):
            self.observe()
        counts = [sum(side.values()) for side in self.sides]
        hints = (ResetHint.UNKNOWN, ResetHint.UNKNOWN, ResetHint.UNKNOWN, ResetHint.NOT_RESET)
        return FloatHistogram(
            schema=CUSTOM_SCHEMA if self.custom else self.schema,
            count=self.zero + sum(counts),
            sum=self.sum,
            zero_count=self.zero,
            zero_threshold=0.0 if self.custom else self.threshold,
            positive=spans_of(self.sides[0]),
            negative=spans_of(self.sides[1]),
            custom_values=self.bounds if self.custom else (),
            hint=self.rng.choice(hints),
        )

    def observe(self) -> None:
        how_many = float(self.rng.randrange(1, 9))
        self.sum += self.rng.randrange(-8, 40) / 8
        if self.custom:
            index = self.rng.randrange(len(self.bounds) + 1)
            self.sides[0][index] = self.sides[0].get(index, 0.0) + how_many
            return
        if self.rng.random() < 0.2:
            self.zero += how_many
            return
        side = self.sides[self.rng.random() < 0.3]
        index = self.rng.randrange(-2, 5)
        if upper_bound(self.schema, index - 1) >= self.threshold:
            side[index] = side.get(index, 0.0) + how_many


class Gauge(Counter):
    def __init__(self, rng: random.Random) -> None:
        super().__init__(rng, custom=False)

    def __next__(self) -> FloatHistogram:
        if self.rng.random() < 0.6:
            self.begin()
        return replace(super().__next__(), hint=ResetHint.GAUGE)


class Mixture:
    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.kinds = [Counter(rng, custom=False), Gauge(rng), Counter(rng, custom=True)]
        self.now = 0

    def __next__(self) -> Number:
        if self.rng.random() < 0.25:
            self.now = self.rng.randrange(4)
        return self.rng.randrange(-40, 400) / 8 if self.now == 3 else next(self.kinds[self.now])


def batch_of_any(series: Sequence[tuple[dict[str, str], AnySamples]]) -> Batch:
    """The series as a batch."""
    floats = [
        (row, at, value)
        for row, (_, samples) in enumerate(series)
        for at, value in samples
        if not isinstance(value, FloatHistogram)
    ]
    native = [
        (row, at, value)
        for row, (_, samples) in enumerate(series)
        for at, value in samples
        if isinstance(value, FloatHistogram)
    ]
    return Batch(
        SeriesTable.from_dicts([labels for labels, _ in series]),
        np.array([row for row, _, _ in floats], np.int64),
        np.array([at for _, at, _ in floats], np.int64),
        np.array([value for _, _, value in floats], np.float64),
        HistogramSamples(
            np.array([row for row, _, _ in native], np.int64),
            np.array([at for _, at, _ in native], np.int64),
            columns_of([histogram for _, _, histogram in native]),
            None,
        ),
        None,
    )
