"""The content of a message as columns, before and after its series have rows in a table."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from novaql.inputs.exemplar_rows import Exemplar, exemplar_columns
from novaql.inputs.remote_write.histograms import WireHistogram, columns_of
from novaql.inputs.remote_write.write_request import WriteRequest
from novaql.inputs.sample_times import need_times
from novaql.tsdb.model.exemplars import Exemplars
from novaql.tsdb.model.labels import Ints, SeriesTable
from novaql.tsdb.model.samples import STALE, Batch, Floats, HistogramSamples
from novaql.tsdb.model.source import Metadata


@dataclass(slots=True)
class Collected:
    """Histograms and exemplars that are read one by one, each with the row of its series.

    histograms  row, start timestamp or 0, histogram
    """

    histograms: list[tuple[int, int, WireHistogram]] = field(default_factory=list)
    exemplars: list[tuple[int, Exemplar]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class MessageColumns:
    """Rows of series are -1 - i for the i-th series that has no row yet."""

    rows: Ints
    times: Ints
    values: Floats
    starts: Ints | None
    native: HistogramSamples | None
    exemplars: Exemplars | None

    @classmethod
    def of(
        cls, rows: Ints, times: Ints, values: Floats, starts: Ints | None, found: Collected
    ) -> MessageColumns:
        """Columns of floats, and of what was read one by one. Raises `InputError` for a time."""
        ended = [(row, one.time) for row, _, one in found.histograms if one.stale]
        if ended:
            marks = np.array(ended, np.int64)
            rows, times = np.append(rows, marks[:, 0]), np.append(times, marks[:, 1])
            values = np.append(values, np.full(len(marks), STALE))
            starts = None if starts is None else np.append(starts, np.zeros(len(marks), np.int64))
        whole = [each for each in found.histograms if not each[2].stale]
        need_times(times)
        if starts is not None:
            need_times(starts)
            need_times(np.array([began for _, began, _ in found.histograms], np.int64))
        native = _native(whole) if whole else None
        owners = np.array([row for row, _ in found.exemplars], np.int64)
        exemplars = exemplar_columns(owners, [one for _, one in found.exemplars])
        known = starts if starts is not None and starts.any() else None
        return cls(rows, times, values, known, native, exemplars)

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
        return WriteRequest(
            batch, metadata, 0 if self.native is None else len(self.native.timestamps)
        )


def _native(found: list[tuple[int, int, WireHistogram]]) -> HistogramSamples:
    """Raises `InputError` for a time."""
    rows, starts, histograms = zip(*found, strict=True)
    times = np.array([one.time for one in histograms], np.int64)
    need_times(times)
    began = np.array(starts, np.int64)
    return HistogramSamples(
        np.array(rows, np.int64), times, columns_of(histograms), began if began.any() else None
    )


def settle(rows: Ints, learned: Ints) -> None:
    """Replace -1 - i by the i-th learned row, in place."""
    unknown = rows < 0
    rows[unknown] = learned[-1 - rows[unknown]]
