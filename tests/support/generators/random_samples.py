"""Random series of a small fleet: counters with resets, gauges, classic histograms, gaps.

Values are multiples of 1/8 of moderate size, so that sums and differences of them are exact and an
oracle that adds in another order gives the same bits. Sample times never fall on whole seconds, so
they never meet a window's edge.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.samples import STALE, Batch

START_MS = 1_700_000_000_000
BOUNDS = ("0.1", "0.5", "1", "2.5", "+Inf")
Samples = list[tuple[int, float]]
SeriesSamples = list[tuple[dict[str, str], Samples]]


@dataclass(frozen=True)
class Fleet:
    """The size of the fleet: number of instances, duration, and scrape interval.

    on_edges  samples at whole seconds, so that they meet the edges of windows; else never
    """

    instances: int = 4
    minutes: int = 60
    interval_s: int = 15
    on_edges: bool = False


def random_fleet(rng: random.Random, fleet: Fleet) -> SeriesSamples:
    """Series with samples in order of time."""
    out: SeriesSamples = []
    for number in range(fleet.instances):
        place = {
            "instance": f"i{number}",
            "job": rng.choice(("api", "web")),
            "zone": rng.choice(("a", "b", "")),
        }
        labels = {name: value for name, value in place.items() if value}
        times = _scrapes(rng, fleet)
        for code in ("200", "500"):
            counter = {"__name__": "requests_total", "code": code, **labels}
            out.append((counter, _counter(rng, _thinned(rng, times))))
        out.append(({"__name__": "load", **labels}, _gauge(rng, _thinned(rng, times))))
        out.append(({"__name__": "limit", **labels}, _constant(rng, times)))
        out.extend(_histogram(rng, labels, times))
    return out


def _scrapes(rng: random.Random, fleet: Fleet) -> list[int]:
    if fleet.on_edges and rng.random() < 0.7:
        return [START_MS - START_MS % 60_000 + s * 1000 for s in _seconds(fleet)]
    phase = rng.randrange(1, 1000)
    jitter = rng.choice((0, 0, 400))
    times = []
    for second in _seconds(fleet):
        late = rng.randint(0, jitter)
        moment = second * 1000 + (phase + late) % 1000
        times.append(START_MS + moment + (moment % 1000 == 0))
    return times


def _seconds(fleet: Fleet) -> range:
    return range(0, fleet.minutes * 60, fleet.interval_s)


def _thinned(rng: random.Random, times: list[int]) -> list[int]:
    """The series with a gap, a late start, an early end, or complete."""
    first, last = sorted(rng.sample(range(len(times)), 2))
    return rng.choice((times, times, times[:first] + times[last:], times[first:], times[:last]))


def _counter(rng: random.Random, times: list[int]) -> Samples:
    value, out = rng.randrange(0, 4000) / 8, []
    for moment in times:
        value = 0.0 if rng.random() < 0.02 else value + rng.choice((0, 1, 3, 8, 50)) / 8
        out.append((moment, value))
    return out


def _gauge(rng: random.Random, times: list[int]) -> Samples:
    odd = rng.choice((0.0, 0.0, 0.03))
    out = []
    for moment in times:
        value = rng.randrange(-800, 4000) / 8
        if rng.random() < odd:
            value = rng.choice((math.nan, STALE))
        out.append((moment, value))
    return out


def _constant(rng: random.Random, times: list[int]) -> Samples:
    value = rng.randrange(1, 800) / 8
    return [(moment, value) for moment in times[:: rng.choice((1, 8))]]


def _histogram(rng: random.Random, labels: Mapping[str, str], times: list[int]) -> SeriesSamples:
    counts = [0] * len(BOUNDS)
    columns: list[Samples] = [[] for _ in BOUNDS]
    total: Samples = []
    for moment in times:
        for bucket in range(len(BOUNDS)):
            counts[bucket] += rng.choice((0, 0, 1, 2, 5))
        running = 0
        for bucket, count in enumerate(counts):
            running += count
            columns[bucket].append((moment, float(running)))
        total.append((moment, float(running)))
    buckets: SeriesSamples = [
        ({"__name__": "seconds_bucket", "le": bound, **labels}, column)
        for bound, column in zip(BOUNDS, columns, strict=True)
    ]
    return [*buckets, ({"__name__": "seconds_count", **labels}, total)]


def batch_of(series: SeriesSamples) -> Batch:
    """The series as a batch."""
    lengths = [len(samples) for _, samples in series]
    flat = [sample for _, samples in series for sample in samples]
    return Batch(
        SeriesTable.from_dicts([labels for labels, _ in series]),
        np.repeat(np.arange(len(series), dtype=np.int64), lengths),
        np.array([moment for moment, _ in flat], np.int64),
        np.array([value for _, value in flat], np.float64),
    )
