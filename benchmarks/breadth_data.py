"""The samples of the breadth benchmark: 15 seconds apart, some seconds beside the steps, so that
none lies at the edge of a window.

| series | |
| --- | --- |
| `gauge`, `other` | numbers from 1 to 100 with two decimals; labels job, instance, n |
| `few` | 0 to 3 |
| `counter` | with resets |
| `delay_bucket`, `sizes_bucket` | a tenth of the series: classic buckets, and VictoriaMetrics' |
| `seconds` | Unix times |
| `native` | a fiftieth of the series: native histograms, for NovaQL and Prometheus |
| `target_info` | a series for each instance |
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cramjam
import numpy as np

from benchmarks.senders import label_bytes, sample_bytes
from novaql.inputs.protobuf.wire import varint
from novaql.model.float_histogram import FloatHistogram, spans_of
from novaql.tsdb import Batch
from novaql.tsdb.model.labels import Ints, SeriesTable
from novaql.tsdb.model.samples import Floats, HistogramSamples
from tests.support.histograms.native_histograms import columns
from tests.support.messages.remote_write_messages import WriteRequestMessage, packed

START_S = 1_767_225_600
STEP_S, INTERVAL_S, PHASE_MS, WINDOW_S = 60, 15, 7_000, 600
BOUNDS = ("0.01", "0.1", "0.5", "1", "2", "4", "8", "16", "32", "+Inf")
VMRANGES = tuple(f"{low:.3e}...{high:.3e}" for low, high in (
    (0.8799, 1.0), (1.0, 1.136), (1.136, 1.292), (1.292, 1.468), (1.468, 1.668), (1.668, 1.896),
    (1.896, 2.154), (2.154, 2.448), (2.448, 2.783), (2.783, 3.162),
))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Family:
    """Series of one name: their labels, and [S, T] values."""

    labels: list[dict[str, str]]
    values: Floats


@dataclass(frozen=True, slots=True)
class Breadth:
    """All samples, the same for the same sizes, and the steps of the queries."""

    families: tuple[Family, ...]
    times_ms: Ints
    start_s: int
    end_s: int
    histograms: int

    def batches(self) -> Iterator[Batch]:
        for family in self.families:
            rows, width = family.values.shape
            yield Batch(
                SeriesTable.from_dicts(family.labels),
                np.repeat(np.arange(rows), width),
                np.tile(self.times_ms, rows),
                family.values.reshape(-1),
            )
        width = len(self.times_ms)
        singles = [_histogram(n, k) for n in range(self.histograms) for k in range(width)]
        native = HistogramSamples(
            np.repeat(np.arange(self.histograms), width),
            np.tile(self.times_ms, self.histograms),
            columns(singles),
        )
        table = SeriesTable.from_dicts(_labels("native", self.histograms))
        nothing = np.zeros(0, np.int64)
        yield Batch(table, nothing, nothing, np.zeros(0), native=native)

    def messages(self, together: int = 20, *, native: bool = False) -> Iterator[bytes]:
        """Packed messages of remote write 1.0, in the order of time. native: with the native
        histograms, which Prometheus accepts only in this order."""
        known = [[label_bytes(labels) for labels in family.labels] for family in self.families]
        for first in range(0, len(self.times_ms), together):
            times = self.times_ms[first : first + together]
            for labels, family in zip(known, self.families, strict=True):
                values = family.values[:, first : first + together]
                samples = sample_bytes(np.tile(times, len(values)), values.reshape(-1))
                size = len(samples) // len(values)
                parts: list[bytes] = []
                for row, one in enumerate(labels):
                    own = samples[row * size : (row + 1) * size]
                    parts += [b"\x0a", varint(len(one) + size), one, own]
                yield bytes(cramjam.snappy.compress_raw(b"".join(parts)))
            if native:
                yield self._native_message(first, first + together)

    def _native_message(self, first: int, last: int) -> bytes:
        request = WriteRequestMessage()
        for number, labels in enumerate(_labels("native", self.histograms)):
            one = request.timeseries.add()
            for name in sorted(labels):
                one.labels.add(name=name, value=labels[name])
            for scrape in range(first, min(last, len(self.times_ms))):
                seen = _seen(number, scrape)
                added = one.histograms.add(timestamp=int(self.times_ms[scrape]), schema=0)
                added.count_float = sum(seen.values())
                added.sum, added.zero_count_float = added.count_float * 3.0, 0.0
                added.positive_spans.add(offset=min(seen), length=len(seen))
                added.positive_counts.extend(seen.values())
        return packed(request)


def breadth(series: int = 1000, steps: int = 90) -> Breadth:
    rng = np.random.default_rng(20260101)
    length = (steps * STEP_S + WINDOW_S) // INTERVAL_S
    times = START_S * 1000 + PHASE_MS + np.arange(length) * INTERVAL_S * 1000
    shape, tenth = (series, length), max(series // 10, 1)

    def gauge() -> Floats:
        walk = rng.random((series, 1)) * 100 + np.cumsum(rng.normal(0, 2, shape), axis=1)
        return np.round(np.abs((walk - 1) % 198 - 99) + 1, 2)  # reflected at 1 and 100

    grown = np.cumsum(rng.poisson(5, shape), axis=1).astype(np.float64)
    grown -= np.maximum.accumulate(np.where(rng.random(shape) < 0.005, grown, 0), axis=1)
    counts = np.cumsum(rng.poisson(3, (tenth, len(BOUNDS), length)), axis=2)
    delays = np.cumsum(counts, axis=1).reshape(-1, length).astype(np.float64)
    sizes = counts.reshape(-1, length).astype(np.float64)
    seconds = np.broadcast_to(times // 1000, shape) - rng.integers(0, 10**9, (series, 1))
    families = (
        Family(_labels("gauge", series), gauge()),
        Family(_labels("other", series), gauge()),
        Family(_labels("few", series), rng.integers(0, 4, shape).astype(np.float64)),
        Family(_labels("counter", series), grown),
        Family(_with("delay_bucket", tenth, "le", BOUNDS), delays),
        Family(_with("sizes_bucket", tenth, "vmrange", VMRANGES), sizes),
        Family(_labels("seconds", series), seconds.astype(np.float64)),
        Family(
            [
                {"__name__": "target_info", "job": one["job"], "instance": one["instance"],
                 "version": f"v{number % 3}"}
                for number, one in enumerate(_labels("", min(100, series)))
            ],
            np.ones((min(100, series), length)),
        ),
    )  # fmt: skip
    start_s = START_S + WINDOW_S
    end_s = start_s + (steps - 1) * STEP_S
    return Breadth(families, times, start_s, end_s, max(series // 50, 1))


def _labels(name: str, series: int) -> list[dict[str, str]]:
    return [
        {"__name__": name, "job": f"job-{n % 10}", "instance": f"host-{n % 100}", "n": str(n)}
        for n in range(series)
    ]


def _with(name: str, series: int, label: str, texts: tuple[str, ...]) -> list[dict[str, str]]:
    return [{**one, label: text} for one in _labels(name, series) for text in texts]


def _histogram(number: int, scrape: int) -> FloatHistogram:
    """A histogram of the observations of a series up to a scrape."""
    seen = _seen(number, scrape)
    count = sum(seen.values())
    return FloatHistogram(schema=0, count=count, sum=count * 3.0, positive=spans_of(seen))


def _seen(number: int, scrape: int) -> dict[int, float]:
    """Observations by bucket."""
    return {bucket: float((scrape + 1) * (1 + (bucket + number) % 4)) for bucket in range(-4, 12)}
