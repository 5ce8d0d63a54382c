"""Native histograms in the tables that results make, read back."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novaql import Result, query
from novaql.errors import InputError
from novaql.inputs.open_any import open_stream
from novaql.inputs.tables.table_source import TableSource
from novaql.model.float_histogram import FloatHistogram
from novaql.model.histogram_notation import parse_histogram
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.samples import Batch, HistogramSamples
from tests.support.histograms import plain_histograms
from tests.support.histograms.native_histograms import any_histogram, columns, singles

CUSTOM = parse_histogram("{{schema:-53 count:4 sum:5 custom_values:[5 10] buckets:[1 2 1]}}")[0]
TWO_SIDED = parse_histogram(
    "{{schema:0 count:20 sum:10 z_bucket:2 z_bucket_w:0.001 buckets:[1 2] n_buckets:[1 2]}}"
)[0]
STEP_MS = 1000


def source_of(rows: list[list[float | FloatHistogram]]) -> TableSource:
    """One series a row, one sample a second."""
    cells = [
        (row, at * STEP_MS, cell) for row, line in enumerate(rows) for at, cell in enumerate(line)
    ]
    floats = [cell for cell in cells if isinstance(cell[2], float)]
    natives = [cell for cell in cells if isinstance(cell[2], FloatHistogram)]
    native = HistogramSamples(
        np.array([n[0] for n in natives], np.int64),
        np.array([n[1] for n in natives], np.int64),
        columns([n[2] for n in natives if isinstance(n[2], FloatHistogram)]),
    )
    return TableSource(
        Batch(
            SeriesTable.from_dicts([{"__name__": "h", "row": str(i)} for i in range(len(rows))]),
            np.array([f[0] for f in floats], np.int64),
            np.array([f[1] for f in floats], np.int64),
            np.array([f[2] for f in floats], np.float64),
            native if natives else None,
        )
    )


def all_of(source: TableSource) -> Result:
    return query("h[1h]", source, time=60)


def apart(source: TableSource) -> list[tuple[dict[str, str], int, FloatHistogram]]:
    selection = source.select([], 0, 10**6)
    out: list[tuple[dict[str, str], int, FloatHistogram]] = []
    for ref in selection.histograms:
        part = ref.load()
        owners = np.repeat(part.rows, np.diff(part.offsets)).tolist()
        labels = [selection.series.labels(row) for row in owners]
        times = part.timestamps.tolist()
        out.extend(zip(labels, times, singles(part.histograms), strict=True))
    return out


@pytest.mark.slow
@given(
    st.lists(
        st.lists(st.floats(allow_nan=False) | any_histogram(), min_size=1, max_size=3),
        min_size=1,
        max_size=3,
    )
)
@settings(deadline=None)
def test_results_with_native_histograms_are_read_back(
    rows: list[list[float | FloatHistogram]],
) -> None:
    source = source_of(rows)
    before = all_of(source)
    back = open_stream(before.arrow()).collect()
    assert back.samples == source.samples
    np.testing.assert_array_equal(all_of(back).points().floats(), before.points().floats())
    for (labels, time, old), (new_labels, new_time, new) in zip(
        apart(source), apart(back), strict=True
    ):
        assert (new_labels, new_time) == (labels, time)
        assert (new.schema, new.count, new.hint) == (old.schema, old.count, old.hint)
        np.testing.assert_array_equal([new.sum, new.zero_threshold], [old.sum, old.zero_threshold])
        if old.custom:
            assert set(new.custom_values) <= _bounds_of_row(rows, labels)
            assert plain_histograms.buckets(new) == plain_histograms.buckets(old)
        else:
            assert new.compacted().positive == old.compacted().positive
            assert new.compacted().negative == old.compacted().negative
            assert new.zero_count == max(old.zero_count, 0.0)


def _bounds_of_row(rows: list[list[float | FloatHistogram]], labels: dict[str, str]) -> set[float]:
    cells = rows[int(labels["row"])]
    return {b for cell in cells if isinstance(cell, FloatHistogram) for b in cell.custom_values}


@pytest.mark.parametrize("way", ["arrow", "parquet", "pandas", "polars"])
def test_every_kind_of_table(way: str, tmp_path: Path) -> None:
    source = source_of([[1.0, TWO_SIDED], [CUSTOM, CUSTOM]])
    result = all_of(source)
    data: Any
    if way == "parquet":
        data = tmp_path / "h.parquet"
        pq.write_table(result.arrow(), data)
    else:
        data = getattr(result, way)()
    back = open_stream(data).collect()
    assert [one.compacted() for _, _, one in apart(back)] == [
        one.compacted() for _, _, one in apart(source)
    ]
    assert query("histogram_quantile(0.5, h)", back, time=1).values.tolist() == (
        query("histogram_quantile(0.5, h)", source, time=1).values.tolist()
    )


def test_rows_of_a_series_share_its_bounds() -> None:
    text = "{{schema:-53 count:1 custom_values:[1 2 3] %s}}"
    some = parse_histogram(text % "buckets:[1]")[0]
    others = parse_histogram(text % "offset:2 buckets:[1]")[0]
    back = open_stream(all_of(source_of([[some, others]])).arrow()).collect()
    assert [one.custom_values for _, _, one in apart(back)] == [(1.0, 2.0, 3.0)] * 2


def struct_of(**changed: Any) -> pa.Table:
    histogram = {
        "count": 1.0, "sum": 2.0, "schema": 0, "zero_threshold": 0.0, "hint": "unknown",
        "buckets": [{"rule": 0, "lower": 1.0, "upper": 2.0, "population": 1.0}],
    } | changed  # fmt: skip
    return pa.table(
        {
            "time": [1, 2],
            "value": pa.array([None, 3.0], pa.float64()),
            "__name__": ["h", "h"],
            "histogram": [histogram, None],
        }
    )


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"schema": 9}, "there is no schema 9"),
        ({"hint": "perhaps"}, "there is no reset hint 'perhaps'"),
        ({"count": None}, "count is null"),
        ({"sum": "much"}, "sum is string"),
        ({"buckets": None}, "none of them null"),
        ({"buckets": [1.0]}, "buckets are double, not structs"),
        ({"buckets": [{"lower": 1.0}]}, "buckets have no population, upper"),
        (
            {"buckets": [{"lower": 1.0, "upper": 3.0, "population": 1.0}]},
            "schema 0 has no bucket from 1 to 3",
        ),
    ],
)
def test_what_is_wrong_is_said(changed: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError) as caught:
        open_stream(struct_of(**changed)).collect()
    assert "pyarrow Table: column histogram: " in str(caught.value)
    assert reason in str(caught.value)


def test_decimals_are_read_as_the_nearest_floats() -> None:
    # Arrow's own cast makes 3.0000000000000004 of it.
    source = open_stream(struct_of(sum=Decimal("3.00000"))).collect()
    assert [one.sum for _, _, one in apart(source)] == [3.0]


def test_a_column_of_that_name_that_holds_none_is_a_label() -> None:
    table = pa.table({"time": [1], "value": [2.0], "histogram": ["sizes"]})
    assert list(open_stream(table).collect().series([], 0, 10**6)) == [{"histogram": "sizes"}]
