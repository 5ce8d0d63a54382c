"""Results of several queries as one table of samples, each beside a name of its series."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from novaql.errors import LimitExceeded
from novaql.export.arrow_arrays import numbers, strings
from novaql.export.csv_text import CHUNK_BYTES, histogram_cells
from novaql.export.formulas import without_formula
from novaql.export.text_cells import NOTHING, compute, csv_cell, csv_rows, time_cells, value_texts
from novaql.result import Result
from novaql.text.times import time_texts
from novaql.tsdb.model.labels import Ints

_HEADER = b"time,series,value\r\n"
_NAME = pa.dictionary(pa.int32(), pa.string())
_SCHEMA = pa.schema(
    [
        ("query", _NAME),
        ("series", _NAME),
        ("time", pa.timestamp("ms", "UTC")),
        ("value", pa.float64()),
    ]
)


def named_csv(
    answers: Iterable[tuple[Result, Sequence[str]]], *, most_name_bytes: int
) -> Iterator[bytes]:
    """RFC 4180 with a header: time (RFC 3339, UTC), series, value; result after result.

    A native histogram is in `value` as Prometheus prints it. A name that a spreadsheet would
    evaluate gets an apostrophe in front.

    answers          results, each with a name for every series
    most_name_bytes  of the names in all rows; raises `LimitExceeded` above
    """
    yield _HEADER
    size = 0
    for result, names in answers:
        if result.text is not None:
            time = time_texts(result.times_ms[:1])[0]
            yield f"{time},,{csv_cell(without_formula(result.text))}\r\n".encode()
            continue
        if not len(result.points().times_ms):
            continue
        cells = [csv_cell(without_formula(name)) for name in names]
        row = _rows(result)
        size += int(np.fromiter(map(len, cells), np.int64, len(cells))[row].sum())
        if size > most_name_bytes:
            raise LimitExceeded(
                f"the names of the series take more than {most_name_bytes >> 20} MiB in this "
                "table; take a shorter legend, a longer step or fewer series"
            )
        yield from _csv_rows(result, cells, row)


def _csv_rows(result: Result, names: Sequence[str], row: Ints) -> Iterator[bytes]:
    points = result.points()
    values = value_texts(points.values, None)
    if points.native is not None:
        texts, which = histogram_cells(points.native)
        shown = texts.take(numbers(which, pa.int32()))
        values = compute.if_else(compute.equal(shown, NOTHING), values, shown)
    times, series = time_cells(points.times_ms, time_texts), strings(names)
    at_once = max(1, CHUNK_BYTES // (1 + max(map(len, names))))
    for first in range(0, len(row), at_once):
        some = slice(first, first + at_once)
        yield csv_rows(times[some], series.take(numbers(row[some], pa.int64())), values[some])


def named_arrow(answers: Iterable[tuple[str, Result, Sequence[str]]]) -> bytes:
    """One table as a stream of Arrow's IPC format: `query` and `series` (dictionaries), `time`
    (ms, UTC), `value` (float64).

    A native histogram is null there, since its value is no number; a string result is omitted.

    answers  for each query its name, its result, and a name for every series
    """
    batches = []
    for query, result, names in answers:
        if result.text is not None:
            continue
        points = result.points()
        count = len(points.times_ms)
        absent = None if points.native is None else points.native.which >= 0
        columns = [
            pa.DictionaryArray.from_arrays(
                numbers(np.zeros(count, np.int32), pa.int32()), strings([query])
            ),
            pa.DictionaryArray.from_arrays(
                numbers(_rows(result).astype(np.int32), pa.int32()), strings(names)
            ),
            pa.array(points.times_ms.astype("datetime64[ms]"), _SCHEMA.field("time").type),
            pa.array(points.values, mask=absent),
        ]
        batches.append(pa.RecordBatch.from_arrays(columns, schema=_SCHEMA))
    table = pa.Table.from_batches(batches, schema=_SCHEMA).unify_dictionaries()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, _SCHEMA) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def _rows(result: Result) -> Ints:
    """The series of each sample."""
    offsets = result.points().offsets
    return np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
