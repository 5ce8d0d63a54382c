"""Decimals of Arrow, Parquet and DuckDB are read as the nearest floats."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import novaql
from novaql.inputs.files import read_paths
from novaql.inputs.parquet.opening import local_source
from novaql.inputs.tables.arrow_table import number_column

TYPES: dict[int, Callable[[int, int], pa.DataType]] = {
    9: pa.decimal32,
    18: pa.decimal64,
    38: pa.decimal128,
    76: pa.decimal256,
}


def decimals(unscaled: list[int | None], kind: Any) -> pa.Array[Any]:
    """An array of the whole numbers times 10^-scale. From buffers: pyarrow refuses some scales."""
    width = kind.bit_width // 8
    data = b"".join((one or 0).to_bytes(width, "little", signed=True) for one in unscaled)
    mask = np.array([one is not None for one in unscaled], np.bool_)
    bits = np.packbits(mask, bitorder="little").tobytes()
    return pa.Array.from_buffers(kind, len(unscaled), [pa.py_buffer(bits), pa.py_buffer(data)])


def nearest(unscaled: int, scale: int) -> float:
    """Python's float of a decimal is the nearest one."""
    with localcontext(prec=100, Emin=-9999, Emax=9999):
        return float(Decimal(unscaled).scaleb(-scale))


@st.composite
def columns(draw: st.DrawFn) -> tuple[list[int | None], Any]:
    digits = draw(st.sampled_from(list(TYPES)))
    precision = draw(st.integers(1, digits))
    scale = draw(st.integers(-400, 400) | st.integers(-30, 30) | st.integers(0, precision))
    most = 10**precision - 1
    edges = st.sampled_from([2**53, 2**53 + 1, 2**63, 2**64 - 1, 2**64, 2**128, 5 * 10**21])
    numbers = st.integers(-most, most) | edges.flatmap(lambda n: st.sampled_from([n, -n]))
    fitting = numbers.filter(lambda n: abs(n) <= most)
    return draw(st.lists(st.none() | fitting, max_size=20)), TYPES[digits](precision, scale)


@given(columns(), st.integers(0, 9))
def test_a_decimal_is_read_as_the_nearest_float(
    column: tuple[list[int | None], Any], skipped: int
) -> None:
    unscaled, kind = column
    array = decimals(unscaled, kind)[skipped:]
    values, present = number_column(array, "value")
    wanted = [None if one is None else nearest(one, kind.scale) for one in unscaled[skipped:]]
    there = np.ones(len(array), np.bool_) if present is None else present
    found = [v if ok else None for v, ok in zip(values.tolist(), there.tolist(), strict=True)]
    assert found == wanted


@pytest.mark.parametrize("kind", [pa.decimal128(18, 5), pa.decimal256(50, 5)])
def test_every_way_to_read_decimals_finds_the_same_values(tmp_path: Path, kind: Any) -> None:
    table = pa.table(
        {
            "time": pa.array([0, 1000, 2000], pa.timestamp("ms", "UTC")),
            "value": pa.array([Decimal("3.00000"), None, Decimal("0.07")], kind),
            "__name__": ["m"] * 3,
        }
    )
    path = tmp_path / "m.parquet"
    pq.write_table(table, path)
    for data in (table, read_paths([path]).collect(), local_source([path])):
        assert novaql.query("m[1m]", data, time=2)[0].values.tolist() == [3.0, 0.07]


def test_decimals_of_duckdb_are_the_nearest_floats() -> None:
    relation = duckdb.sql(
        "select to_timestamp(i) as time, (i / 100)::decimal(18, 5) as value, 'm' as __name__ "
        "from range(1000) t(i)"
    )
    found = novaql.query("m[1h]", relation, time=1000)[0].values
    assert found.tolist() == [float(Decimal(i) / 100) for i in range(1000)]
