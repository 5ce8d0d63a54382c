"""The data of the loads of a script so far, as a source for the engine."""

from __future__ import annotations

from dataclasses import field

from novaql.fast_dataclass import dataclass
from novaql.inputs.tables.table_source import TableSource
from novaql.model.float_histogram import FloatHistogram
from novaql.model.label_set import Labels
from novaql.model.sample_batch import batch_of
from novaql.model.series_notation import NamedHint
from novaql.model.stored_hints import Stored, with_stored_hints
from novaql.promqltest.classic import native_of
from novaql.promqltest.script import Load, SeriesValues
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.samples import Batch


@dataclass(slots=True)
class Storage:
    """Samples of a script; immutable.

    samples  series → time in milliseconds → float or native histogram
    starts   series → time → start timestamp, where a line `@st` sets them
    """

    samples: dict[Labels, dict[int, Stored]] = field(default_factory=dict)
    starts: dict[Labels, dict[int, int]] = field(default_factory=dict)
    _source: TableSource | None = None

    def with_load(self, load: Load) -> Storage:
        """Return this storage with another block. Of two lines with the same labels, the later one
        counts."""
        more = Storage(
            {labels: dict(samples) for labels, samples in self.samples.items()},
            {labels: dict(starts) for labels, starts in self.starts.items()},
        )
        last = {series.labels: series for series in load.series}
        for series in last.values():
            more._add(series, load.step_ms)
        if load.custom_buckets:
            classic = [
                (series.labels, place * load.step_ms, item)
                for series in last.values()
                for place, item in enumerate(series.items)
                if isinstance(item, float)
            ]
            for labels, time, histogram in native_of(classic):
                more.samples.setdefault(labels, {})[time] = histogram
        return more

    def _add(self, series: SeriesValues, step_ms: int) -> None:
        for place, item in enumerate(series.items):
            if item is not None:
                sample = item.histogram if isinstance(item, NamedHint) else item
                self.samples.setdefault(series.labels, {})[place * step_ms] = sample
        for place, start in enumerate(series.starts_ms or ()):
            if start is not None:
                self.starts.setdefault(series.labels, {})[place * step_ms] = place * step_ms + start

    def source(self) -> TableSource:
        """All samples, reset hints as Prometheus's storage returns them."""
        if self._source is None:
            self._source = TableSource(self._batch())
        return self._source

    def _batch(self) -> Batch:
        samples = [
            (labels, time, sample)
            for labels, of_series in self.samples.items()
            for time, sample in {**of_series, **with_stored_hints(of_series)}.items()
        ]
        starts = [self.starts.get(labels, {}).get(time, 0) for labels, time, _ in samples]
        return batch_of(samples, starts if self.starts else None)

    def histogram_table(self) -> SeriesTable:
        """Label sets of the series with native histograms."""
        return SeriesTable.from_dicts(
            [
                dict(labels)
                for labels, samples in self.samples.items()
                if any(isinstance(sample, FloatHistogram) for sample in samples.values())
            ]
        )
