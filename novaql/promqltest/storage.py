"""What the loads of a script have put in so far, as a source for the engine."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from novaql.inputs.table_source import TableSource
from novaql.promqltest.classic import custom_bucket_series
from novaql.promqltest.script import Load, SeriesValues
from novaql.promqltest.series_notation import Labels, NamedHint
from tsdb.labels import SeriesTable
from tsdb.tile import Batch


@dataclass(slots=True)
class Storage:
    """Samples of a script; unchanged once made.

    floats      series → time in milliseconds → value
    histograms  series with native histogram samples. The store has no place for these yet, so
                they are kept beside it, and evals that would read them fail
    starts      series with start timestamps, likewise
    """

    floats: dict[Labels, dict[int, float]] = field(default_factory=dict)
    histograms: dict[Labels, dict[int, NamedHint]] = field(default_factory=dict)
    starts: set[Labels] = field(default_factory=set)
    _source: TableSource | None = None

    def with_load(self, load: Load) -> Storage:
        """This and a block more. Of two lines with the same labels the later one counts."""
        more = Storage(
            {labels: dict(samples) for labels, samples in self.floats.items()},
            {labels: dict(samples) for labels, samples in self.histograms.items()},
            set(self.starts),
        )
        last = {series.labels: series for series in load.series}
        for series in last.values():
            more._add(series, load.step_ms)
        if load.custom_buckets:
            for series in custom_bucket_series(last.values()):
                more._add(series, load.step_ms)
        return more

    def _add(self, series: SeriesValues, step_ms: int) -> None:
        for place, item in enumerate(series.items):
            if isinstance(item, NamedHint):
                self.histograms.setdefault(series.labels, {})[place * step_ms] = item
            elif item is not None:
                self.floats.setdefault(series.labels, {})[place * step_ms] = item
        if series.starts_ms is not None:
            self.starts.add(series.labels)

    def source(self) -> TableSource:
        """The float samples."""
        if self._source is None:
            self._source = TableSource(self._batch())
        return self._source

    def _batch(self) -> Batch:
        columns = list(self.floats.values())
        lengths = [len(column) for column in columns]
        size = sum(lengths)
        return Batch(
            SeriesTable.from_dicts([dict(labels) for labels in self.floats]),
            np.repeat(np.arange(len(columns), dtype=np.int64), lengths),
            np.fromiter((time for column in columns for time in column), np.int64, size),
            np.fromiter((value for column in columns for value in column.values()), float, size),
        )

    def histogram_table(self) -> SeriesTable:
        """Label sets of the series with native histograms."""
        return SeriesTable.from_dicts([dict(labels) for labels in self.histograms])

    def start_table(self) -> SeriesTable:
        """Label sets of the series with start timestamps."""
        return SeriesTable.from_dicts([dict(labels) for labels in self.starts])
