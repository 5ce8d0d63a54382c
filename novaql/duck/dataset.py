"""The samples of a source as a data set that DuckDB scans.

DuckDB passes the columns it needs and the part of WHERE that Arrow can compute. That filter is
applied exactly, batch by batch. Before that, it determines what is read: it excludes series that
cannot match at any time and value, and times that cannot match for any series.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.fs

from novaql.export.arrow import TIMESTAMP
from novaql.export.columns import HISTOGRAM, TIME, VALUE
from novaql.export.stored.samples import StoredSamples
from novaql.fast_dataclass import dataclass
from novaql.selectors import regex_literal
from novaql.tsdb.model.labels import Bools, SeriesTable
from novaql.tsdb.model.matchers import Matcher, MatchOp
from novaql.tsdb.model.source import MAX_TIME_MS, MIN_TIME_MS, Selection, Source

_MOST_VALUES = 200
_SLICES = 16
_FAR = 1 << 43  # the year 2248
_FIXED = (TIME, VALUE, HISTOGRAM)

compute: Any = pc  # the stubs have fewer argument types than the kernels


class SampleDataset(ds.Dataset):
    """One row a sample of a source. DuckDB calls only `schema` and `scanner`.

    start_ms, end_ms  samples outside are not there
    """

    def __init__(self, source: Source, start_ms: int = MIN_TIME_MS, end_ms: int = MAX_TIME_MS):
        self._source = source
        self._window = (start_ms, end_ms)
        self._every = source.series([], start_ms, end_ms)
        self._native = bool(source.select([], start_ms, end_ms).histograms)
        self.shape = self._samples(Selection(self._every, []))

    @property
    def schema(self) -> pa.Schema:
        """`time`, `value`, perhaps `histogram`, and a column for each label."""
        return self.shape.schema

    def scanner(  # type: ignore[override]  # only DuckDB calls it
        self, columns: Sequence[str] | None = None, filter: Any = None, **_: Any
    ) -> Any:
        """Return an object with a reader of record batches of the rows that pass, read on demand.

        A scanner of Arrow would read ahead in a thread of its own, which aborts the process if
        Python ends meanwhile.
        """
        names = self.schema.names if columns is None else list(columns)
        schema = pa.schema([self.schema.field(name) for name in names])
        reader = pa.RecordBatchReader.from_batches(schema, self._read(names, filter))
        return _Scan(reader)

    def _samples(self, selection: Selection) -> StoredSamples:
        return StoredSamples(selection, names=self._every.names(), native=self._native)

    def _read(self, names: list[str], condition: Any) -> Iterator[pa.RecordBatch]:
        window: tuple[int, int] | None = self._window
        matchers: list[Matcher] = []
        text = "" if condition is None else str(condition)
        by_series = condition is not None and not any(f"is_valid({n})" in text for n in _FIXED)
        if condition is not None:
            window = _window_of(condition, self.schema, self._window)
            if by_series:
                may = possible_series(self.shape, condition)
                if not may.any():
                    return
                matchers = matchers_of(self._every, may)
        if window is None:
            return
        samples = self._samples(self._source.select(matchers, *window))
        wanted = possible_series(samples, condition) if by_series else None
        needed = {*names, *(name for name in self.schema.names if name in text)}
        for batch in samples.batches(needed, wanted=wanted):
            if condition is None:
                yield batch.select(names)
            else:
                passed = pa.Table.from_batches([batch]).filter(condition).select(names)
                yield from passed.to_batches()


@dataclass(frozen=True, slots=True)
class _Scan:
    """The part of a scanner of Arrow that DuckDB uses."""

    reader: pa.RecordBatchReader

    def to_reader(self) -> pa.RecordBatchReader:
        return self.reader


def possible_series(samples: StoredSamples, condition: Any) -> Bools:
    """[S] which series may have a sample that passes.

    Labels are known; times and values are null. If the condition is false nevertheless, by
    three-valued logic, it is false for every sample, unless it tests whether a time or a value is
    null.
    """
    table = samples.table_of_series()
    if not len(table):
        return np.zeros(0, np.bool_)
    number = pa.array(np.arange(len(table)), pa.int64())
    marked = table.append_column("\0row", number)
    whole: Any = ds.InMemoryDataset
    refused = whole(marked).to_table(columns=["\0row"], filter=~condition)
    may = np.ones(len(table), np.bool_)
    may[refused.column(0).to_numpy()] = False
    return may


def matchers_of(series: SeriesTable, may: Bools) -> list[Matcher]:
    """Matchers that all of those series satisfy, and few others."""
    found = []
    for name, column in series.columns.items():
        values = {column.values[code] for code in np.unique(column.codes[may]).tolist()}
        everything = len(np.unique(column.codes))
        if len(values) == everything or len(values) > _MOST_VALUES:
            continue
        if len(values) == 1:
            found.append(Matcher(name, MatchOp.EQUAL, values.pop()))
        else:
            texts = sorted(map(regex_literal, values))
            found.append(Matcher(name, MatchOp.REGEX, "|".join(texts)))
    return found


def _window_of(
    condition: Any, schema: pa.Schema, window: tuple[int, int]
) -> tuple[int, int] | None:
    """The range in milliseconds outside of which no sample passes; None if none passes at any time.

    Arrow determines which slices of time the condition excludes. Both ends are searched at
    once, each in the outermost slice that is left.
    """
    low = high = (max(window[0], -_FAR), min(window[1], _FAR))
    while low[0] < low[1] or high[0] < high[1]:
        lower, upper = _sliced(*low), _sliced(*high)
        left = _not_excluded(condition, schema, [*lower, *upper])
        if not left:
            return None
        low = lower[left[0]] if left[0] < len(lower) else upper[left[0] - len(lower)]
        high = upper[left[-1] - len(lower)] if left[-1] >= len(lower) else lower[left[-1]]
    return (window[0] if low[0] <= -_FAR else low[0], window[1] if high[1] >= _FAR else high[1])


def _sliced(first: int, last: int) -> list[tuple[int, int]]:
    """The span in some parts; its ends are parts of their own."""
    if last - first < _SLICES:
        return [(at, at) for at in range(first, last + 1)]
    size = -(-(last - first - 1) // _SLICES)
    inner = [(at, min(at + size - 1, last - 1)) for at in range(first + 1, last, size)]
    return [(first, first), *inner, (last, last)]


def _not_excluded(
    condition: Any, schema: pa.Schema, slices: Collection[tuple[int, int]]
) -> list[int]:
    # Fragments of files that do not exist: only their guarantees are evaluated.
    form, nowhere = ds.ParquetFileFormat(), pyarrow.fs.LocalFileSystem()
    time = compute.field(TIME)
    fragments = [
        form.make_fragment(
            str(number),
            filesystem=nowhere,
            partition_expression=(time >= pa.scalar(first, TIMESTAMP))
            & (time <= pa.scalar(last, TIMESTAMP)),
        )
        for number, (first, last) in enumerate(slices)
    ]
    whole = ds.FileSystemDataset(fragments, schema, form, nowhere)
    found: Any = whole.get_fragments(filter=condition)
    return sorted(int(fragment.path) for fragment in found)
