"""The record batches that are written without Arrow's arrays: Arrow reads what went in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from novaql.export.wide_message import wide_message
from novaql.tsdb.model.labels import Bools, Ints
from novaql.tsdb.model.samples import Floats

START_MS = 1_767_225_600_000


def _read(times_ms: Ints, values: Floats, valid: Bools | None) -> pa.RecordBatch:
    fields: list[pa.Field[Any]] = [pa.field("time", pa.timestamp("ms", tz="UTC"))]
    fields += [pa.field(f"up{{n={n}}}", pa.float64()) for n in range(len(values))]
    schema = pa.schema(fields)
    metadata, body = wide_message(times_ms, values, valid)
    assert (len(metadata) % 8, len(body) % 8) == (0, 0)
    end = b"\xff\xff\xff\xff\0\0\0\0"
    stream = b"".join([schema.serialize(), metadata, body, end])
    with pa.ipc.open_stream(stream) as reader:
        (batch,) = reader
    batch.validate(full=True)
    return batch


@pytest.mark.parametrize("steps", [1, 63, 64, 65, 200])
@pytest.mark.parametrize("series", [0, 1, 300])
@pytest.mark.parametrize("holes", [False, True])
def test_arrow_reads_what_was_written(series: int, steps: int, holes: bool) -> None:
    rng = np.random.default_rng([series, steps])
    values = rng.integers(-(2**62), 2**62, (series, steps)).view(np.float64)  # any bits, NaN too
    valid = rng.random((series, steps)) < rng.random((series, 1)) if holes else None
    times_ms = START_MS + np.arange(steps) * 15_000

    batch = _read(times_ms, values, valid)

    assert batch.column(0).cast(pa.int64()).to_pylist() == times_ms.tolist()
    there = np.ones(values.shape, np.bool_) if valid is None else valid
    for row, column in enumerate(batch.columns[1:]):
        assert column.null_count == steps - np.count_nonzero(there[row])
        assert column.is_valid().to_pylist() == there[row].tolist()
        found = column.drop_null().to_numpy(zero_copy_only=False)
        assert found.tobytes() == values[row][there[row]].tobytes()


def test_a_part_of_the_columns_of_a_matrix_is_written() -> None:
    values = np.arange(60.0).reshape(3, 20)
    valid = values % 7 != 0
    times_ms = START_MS + np.arange(20)

    batch = _read(times_ms[5:9], values[:, 5:9], valid[:, 5:9])

    assert batch.column(1).to_pylist() == [5.0, 6.0, None, 8.0]
    assert batch.column(3).to_pylist() == [45.0, 46.0, 47.0, 48.0]
