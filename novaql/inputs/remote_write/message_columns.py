"""The content of a message as columns, before and after its series have rows in a table."""

from __future__ import annotations

from dataclasses import field

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.inputs.exemplar_rows import Exemplar, exemplar_columns
from novaql.inputs.remote_write.histograms import WireHistogram, columns_of
from novaql.inputs.remote_write.write_request import WriteRequest
from novaql.inputs.sample_times import need_times
from novaql.tsdb.model.exemplars import Exemplars
from novaql.tsdb.model.labels import Ints, SeriesTable
from novaql.tsdb.model.samples import STALE, Batch, Floats, HistogramSamples
from novaql.tsdb.model.source import Metadata


@dataclass(slots=True)
class CollectedHistograms:
    """Histograms that are read one by one, each with the row of its series and its start timestamp
    or 0. Three lists, since the garbage collector visits each tuple of one list."""

    rows: list[int] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    found: list[WireHistogram] = field(default_factory=list)

    def add(self, row: int, start: int, histogram: WireHistogram) -> None:
        self.rows.append(row)
        self.starts.append(start)
        self.found.append(histogram)


@dataclass(slots=True)
class CollectedExemplars:
    """Exemplars that are read one by one, each with the row of its series; two lists as above."""

    rows: list[int] = field(default_factory=list)
    found: list[Exemplar] = field(default_factory=list)

    def add(self, row: int, exemplar: Exemplar) -> None:
        self.rows.append(row)
        self.found.append(exemplar)


@dataclass(slots=True)
class Collected:
    """Histograms and exemplars that are read one by one."""

    histograms: CollectedHistograms = field(default_factory=CollectedHistograms)
    exemplars: CollectedExemplars = field(default_factory=CollectedExemplars)


@dataclass(frozen=True, slots=True, eq=False)
class MessageColumns:
    """Rows of series are -1 - i for the i-th series that has no row yet.

    histograms  see `WriteRequest`
    """

    rows: Ints
    times: Ints
    values: Floats
    starts: Ints | None
    native: HistogramSamples | None
    exemplars: Exemplars | None
    histograms: int

    @classmethod
    def of(
        cls, rows: Ints, times: Ints, values: Floats, starts: Ints | None, found: Collected
    ) -> MessageColumns:
        """Columns of floats, and of the histograms and exemplars that were read one by one. Raises
        `InputError` for a time."""
        native, markers = _native(found.histograms)
        if markers is not None:
            rows, times = np.append(rows, markers[0]), np.append(times, markers[1])
            count = len(markers[0])
            values = np.append(values, np.full(count, STALE))
            starts = None if starts is None else np.append(starts, np.zeros(count, np.int64))
        need_times(times)
        if native is not None:
            need_times(native.timestamps)
        if starts is not None:
            need_times(starts)
            need_times(np.array(found.histograms.starts, np.int64))
        owners = np.array(found.exemplars.rows, np.int64)
        exemplars = exemplar_columns(owners, found.exemplars.found)
        known = starts if starts is not None and starts.any() else None
        return cls(rows, times, values, known, native, exemplars, len(found.histograms.found))

    def settle(self, learned: Ints) -> None:
        """Set the rows of the series that had none.

        learned  the row of each of them, by its number i
        """
        native, exemplars = self.native, self.exemplars
        for rows in (
            self.rows,
            *([] if native is None else [native.series_index]),
            *([] if exemplars is None else [exemplars.series_index]),
        ):
            settle(rows, learned)

    def request(self, table: SeriesTable, metadata: dict[str, Metadata]) -> WriteRequest:
        """The message, once all rows are known."""
        batch = Batch(
            table, self.rows, self.times, self.values, self.native, self.starts, self.exemplars
        )
        return WriteRequest(batch, metadata, self.histograms)


def _native(
    collected: CollectedHistograms,
) -> tuple[HistogramSamples | None, tuple[Ints, Ints] | None]:
    """Histograms as columns, and rows and times of those that are staleness markers."""
    found = collected.found
    if not found:
        return None, None
    rows, starts = np.array(collected.rows, np.int64), np.array(collected.starts, np.int64)
    times = np.array([one.time for one in found], np.int64)
    stale = np.array([one.stale for one in found])
    markers = None
    if stale.any():
        markers = rows[stale], times[stale]
        rows, starts, times = rows[~stale], starts[~stale], times[~stale]
        found = [one for one in found if not one.stale]
        if not found:
            return None, markers
    begun = starts if starts.any() else None
    return HistogramSamples(rows, times, columns_of(found), begun), markers


def settle(rows: Ints, learned: Ints) -> None:
    """Replace -1 - i by the i-th learned row, in place."""
    unknown = rows < 0
    rows[unknown] = learned[-1 - rows[unknown]]
