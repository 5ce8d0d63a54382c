"""A model of a store: the content that a database must have, as a dict."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from novaql.tsdb.model.batch_views import SeriesView
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.matchers import Matcher, select_rows
from novaql.tsdb.model.read_errors import ReadErrors
from novaql.tsdb.model.samples import Batch, HistogramSamples
from novaql.tsdb.model.source import MAX_TIME_MS, MIN_TIME_MS, Hints, Selection, Source
from tests.support.store.stored_histograms import Native, histograms_of, natives_of

Labels = tuple[tuple[str, str], ...]
Sample = tuple[Mapping[str, str], int, float | Native]
"""Labels, milliseconds, value or native histogram."""
Stored = int | Native
"""The bits of a value, or a native histogram."""


def bits(value: float) -> int:
    """The bit pattern of a float, by which values are compared."""
    return int(struct.unpack("<Q", struct.pack("<d", value))[0])


def from_bits(pattern: int) -> float:
    return float(np.array([pattern], np.uint64).view(np.float64)[0])


def key_of(labels: Mapping[str, str]) -> Labels:
    return tuple(sorted((name, value) for name, value in labels.items() if value))


def batch_of(samples: Sequence[Sample]) -> Batch:
    """A batch with these samples, in this order; histograms beside the floats."""
    keys = list(dict.fromkeys(key_of(labels) for labels, _, _ in samples))
    row = {key: number for number, key in enumerate(keys)}
    numbered = [(row[key_of(labels)], time, value) for labels, time, value in samples]
    floats = [(n, time, one) for n, time, one in numbered if not isinstance(one, Native)]
    native = [(n, time, one) for n, time, one in numbered if isinstance(one, Native)]
    histograms = HistogramSamples(
        np.array([number for number, _, _ in native], np.int64),
        np.array([time for _, time, _ in native], np.int64),
        histograms_of([one for _, _, one in native]),
    )
    return Batch(
        SeriesTable.from_dicts([dict(key) for key in keys]),
        np.array([number for number, _, _ in floats], np.int64),
        np.array([time for _, time, _ in floats], np.int64),
        np.array([bits(value) for _, _, value in floats], np.uint64).view(np.float64),
        histograms if native else None,
    )


@dataclass
class Model:
    """Label set → time → bit pattern of the value, or histogram."""

    series: dict[Labels, dict[int, Stored]] = field(default_factory=dict)

    def append(self, samples: Iterable[Sample]) -> None:
        """The samples of one batch: its histograms count as later than its floats."""
        for labels, time, value in sorted(
            samples, key=lambda sample: isinstance(sample[2], Native)
        ):
            stored = value if isinstance(value, Native) else bits(value)
            self.series.setdefault(key_of(labels), {})[time] = stored

    def delete(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> int:
        """Delete samples, both ends included; return their number."""
        hit = self.select(matchers, start_ms, end_ms)
        for key, samples in hit.items():
            for time, _ in samples:
                del self.series[key][time]
        return sum(map(len, hit.values()))

    def select(
        self,
        matchers: Sequence[Matcher] = (),
        start_ms: int = MIN_TIME_MS,
        end_ms: int = MAX_TIME_MS,
    ) -> dict[Labels, list[tuple[int, Stored]]]:
        """Label set → (time, bits or histogram) by time; series without samples are left out."""
        found = {}
        for key, samples in self.series.items():
            table = SeriesTable.from_dicts([dict(key)])
            inside = [(t, samples[t]) for t in sorted(samples) if start_ms <= t <= end_ms]
            if inside and select_rows(table, matchers).all():
                found[key] = inside
        return found


def read_all(
    source: Source,
    matchers: Sequence[Matcher] = (),
    start_ms: int = MIN_TIME_MS,
    end_ms: int = MAX_TIME_MS,
    read_errors: ReadErrors | None = None,
) -> dict[Labels, list[tuple[int, Stored]]]:
    """All samples of a source, in the form of `Model.select`."""
    return read_all_of(source.select(matchers, start_ms, end_ms, Hints(read_errors=read_errors)))


def read_all_of(selection: Selection) -> dict[Labels, list[tuple[int, Stored]]]:
    """The same of a selection; also checks its invariants."""
    keys = [key_of(labels) for labels in selection.series]
    assert len(set(keys)) == len(keys), "a label set stands twice"
    found: dict[Labels, list[tuple[int, Stored]]] = {}
    for ref in selection.batches:
        views = list(selection.views_of(ref))
        assert sum(view.sample_count for view in views) <= ref.samples
        _read_views(views, keys, found)
    _read_histograms(selection, keys, found)
    return found


def _read_views(
    views: Sequence[SeriesView], keys: list[Labels], found: dict[Labels, list[tuple[int, Stored]]]
) -> None:
    for view in views:
        if view.offsets is None:
            assert view.values.shape == (len(view.rows), len(view.timestamps))
        flat = view.ragged()
        assert flat.offsets is not None
        assert flat.offsets[0] == 0
        assert flat.offsets[-1] == len(flat.values) == len(flat.timestamps)
        patterns = np.ascontiguousarray(flat.values).view(np.uint64).tolist()
        times = flat.timestamps.tolist()
        for row, begin, end in zip(
            flat.rows.tolist(), flat.offsets[:-1].tolist(), flat.offsets[1:].tolist(), strict=True
        ):
            assert keys[row] not in found, "a series is in two batches"
            assert times[begin:end] == sorted(set(times[begin:end]))
            if end > begin:
                found[keys[row]] = list(zip(times[begin:end], patterns[begin:end], strict=True))


def _read_histograms(
    selection: Selection, keys: list[Labels], found: dict[Labels, list[tuple[int, Stored]]]
) -> None:
    seen: set[int] = set()
    for ref in selection.histograms:
        part = ref.load()
        assert len(part.timestamps) <= ref.samples
        assert part.offsets[0] == 0
        assert part.offsets[-1] == len(part.histograms) == len(part.timestamps)
        assert seen.isdisjoint(part.rows.tolist()), "a series is in two batches of histograms"
        seen.update(part.rows.tolist())
        times, natives = part.timestamps.tolist(), natives_of(part.histograms)
        ends = part.offsets.tolist()
        for row, begin, end in zip(part.rows.tolist(), ends[:-1], ends[1:], strict=True):
            assert times[begin:end] == sorted(set(times[begin:end]))
            floats = found.get(keys[row], [])
            both = [*floats, *zip(times[begin:end], natives[begin:end], strict=True)]
            assert len({time for time, _ in both}) == len(both), "two samples at one time"
            if both:
                found[keys[row]] = sorted(both, key=lambda sample: sample[0])
