"""Samples of one load that replace others of the same load: same series and time, another value.

They are a sign that series have lost the label in which they differ. A store retains the last of
these, without an error. Samples with equal values are no loss and do not count.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from novaql.tsdb.model.labels import Bools, Ints, SeriesTable, concat_tables
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.model.source import MIN_TIME_MS

_Piece = tuple[SeriesTable, Ints, Ints, Ints]
"""Table, rows, times, and the values as numbers that are equal for equal values."""


def overwritten(batches: Sequence[Batch]) -> int:
    """Number of samples that a later one of the batches replaces with another value.

    Samples in order of series and time, or of time and series, need one pass and no sort.
    """
    pieces = [piece for batch in batches for piece in _pieces(batch)]
    if not pieces:
        return 0
    first_row: dict[int, int] = {}
    tables: list[SeriesTable] = []
    all_rows = 0
    for table, *_ in pieces:
        if id(table) not in first_row:
            first_row[id(table)] = all_rows
            all_rows += len(table)
            tables.append(table)
    keys = (tables[0] if len(tables) == 1 else concat_tables(tables)).keys()
    reach = np.full(int(keys.max(initial=0)) + 1, MIN_TIME_MS - 1)
    suspect = np.zeros(len(reach), np.bool_)
    for table, rows, times, _ in pieces:
        series, low, high, again = _spans(keys, rows + first_row[id(table)], times)
        suspect[series[again | (low <= reach[series])]] = True
        reach[series] = np.maximum(reach[series], high)
    if not suspect.any():
        return 0
    parts: list[tuple[Ints, Ints, Ints]] = []
    for table, rows, times, values in pieces:
        of = keys[rows + first_row[id(table)]]
        some = suspect[of]
        parts.append((of[some], times[some], values[some]))
    of, times, values = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((times, of))  # stable: equal ones stay in order
    of, times, values = of[order], times[order], values[order]
    same = (of[1:] == of[:-1]) & (times[1:] == times[:-1])
    return int((same & (values[1:] != values[:-1])).sum())


def warnings_of(count: int, what: str) -> tuple[str, ...]:
    """A warning about so many of them; nothing for 0.

    what  name of the load, with its article
    """
    if not count:
        return ()
    many = "1 sample is" if count == 1 else f"{count} samples are"
    return (
        f"{many} replaced by a later sample of {what} with the same series and time and another "
        "value; a label that distinguishes the series may be missing",
    )


def _pieces(batch: Batch) -> list[_Piece]:
    found: list[_Piece] = []
    if len(batch.values):
        bits = np.ascontiguousarray(batch.values, np.float64).view(np.int64)
        found.append((batch.series, batch.series_index, batch.timestamps, bits))
    native = batch.native
    if native is not None and len(native.timestamps):
        counts, sums = (
            np.ascontiguousarray(column, np.float64).view(np.int64)
            for column in (native.histograms.count, native.histograms.sum)
        )
        found.append((batch.series, native.series_index, native.timestamps, counts * 31 + ~sums))
    return found


def _spans(keys: Ints, rows: Ints, times: Ints) -> tuple[Ints, Ints, Ints, Bools]:
    """Each series, its first and last time, and whether a time may be repeated."""
    step, later = np.diff(rows), np.diff(times)
    of = keys[rows]
    cuts = np.flatnonzero(step) + 1
    begins, ends = np.append(0, cuts), np.append(cuts, len(rows))
    if len(begins) <= len(rows) // 2 + 1 and ((later > 0) | (step != 0)).all():
        series = of[begins]
        if len(np.unique(series)) == len(series):
            return series, times[begins], times[ends - 1], np.zeros(len(series), np.bool_)
    if ((later > 0) | ((later == 0) & (step > 0))).all():
        present = np.zeros(int(of.max()) + 1, np.bool_)
        present[of] = True
        series = np.flatnonzero(present)
        distinct = len(np.unique(rows)) == len(series)  # else two rows are one series
        low, high = np.full(len(series), times[0]), np.full(len(series), times[-1])
        return series, low, high, np.full(len(series), not distinct)
    order = np.lexsort((times, of))
    of, times = of[order], times[order]
    begins = np.flatnonzero(np.diff(of, prepend=of[0] - 1))
    ends = np.append(begins[1:], len(of))
    equal = np.zeros(len(of), np.int64)
    equal[1:] = (of[1:] == of[:-1]) & (times[1:] == times[:-1])
    series = of[begins]
    return series, times[begins], times[ends - 1], np.add.reduceat(equal, begins) > 0
