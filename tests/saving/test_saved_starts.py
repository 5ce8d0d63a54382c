"""Start timestamps and metadata go into Parquet and Arrow files, and come back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from novaql import tsdb
from novaql.errors import InputError
from novaql.export.columns import METADATA_KEY
from novaql.inputs.importer import import_into
from novaql.inputs.source_stream import selection_batches
from novaql.saving import save
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.samples import Batch, HistogramSamples
from tests.support.store.stored_histograms import histograms_of, simple

T0 = 1_700_000_000_000
Found = dict[tuple[str, int], int]


def starts_of(database: tsdb.Database) -> Found:
    """Series and time → start timestamp, 0 for none."""
    found: Found = {}
    selection = database.select([], 0, 1 << 61)
    names = [labels["start"] for labels in selection.series]
    batches = list(selection_batches(selection))
    parts: list[Batch | HistogramSamples] = [*batches]
    parts += [batch.native for batch in batches if batch.native is not None]
    for batch in parts:
        rows = batch.series_index.tolist()
        none = np.zeros(len(rows), np.int64)
        starts = none if batch.starts is None else batch.starts
        for row, time, start in zip(rows, batch.timestamps.tolist(), starts.tolist(), strict=True):
            found[names[row], time] = start
    return found


def filled(floats: list[tuple[int, int]], natives: list[tuple[int, int]]) -> tsdb.Database:
    """(time, start) of the samples of a series each, and one series that has no start; the label
    is called as the column is."""
    table = SeriesTable.from_dicts([{"start": "a"}, {"start": "b"}, {"start": "none"}])
    times, starts = (np.array([one[n] for one in floats], np.int64) for n in (0, 1))
    index = np.zeros(len(floats), np.int64)
    native = None
    if natives:
        native = HistogramSamples(
            np.ones(len(natives), np.int64),
            np.array([time for time, _ in natives]),
            histograms_of([simple(1, b0=1)] * len(natives)),
            np.array([start for _, start in natives]),
        )
    database = tsdb.memory()
    database.append(Batch(table, index, times, times / 7, native, starts))
    database.append(Batch(table, np.array([2]), np.array([T0]), np.ones(1)))
    return database


samples = st.dictionaries(
    st.integers(T0, T0 + 1000), st.just(0) | st.integers(T0 - 1000, T0), max_size=6
).map(lambda found: list(found.items()))


@pytest.mark.slow
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@pytest.mark.parametrize("name", ["a.parquet", "a.arrow"])
@given(floats=samples, natives=samples)
def test_they_come_back(
    tmp_path: Path, name: str, floats: list[tuple[int, int]], natives: list[tuple[int, int]]
) -> None:
    with filled(floats, natives) as database, tsdb.memory() as again:
        save(database, tmp_path / name)
        import_into(again, str(tmp_path / name))
        expected = {("a", time): start for time, start in floats}
        expected |= {("b", time): start for time, start in natives}
        assert starts_of(again) == starts_of(database) == expected | {("none", T0): 0}


def test_two_selectors_keep_them(tmp_path: Path) -> None:
    with filled([(T0, T0 - 5)], [(T0, T0 - 7)]) as database, tsdb.memory() as again:
        save(database, tmp_path / "a.parquet", match=['{start="a"}', '{start=~"a|b"}'])
        import_into(again, str(tmp_path / "a.parquet"))
        assert starts_of(again) == {("a", T0): T0 - 5, ("b", T0): T0 - 7}


def test_a_column_that_is_only_called_so_is_a_label(tmp_path: Path) -> None:
    """As one of another program may be, and that of a store where nothing has a start."""
    with tsdb.memory() as database, tsdb.memory() as again:
        database.append(
            Batch(
                SeriesTable.from_dicts([{"start": "a"}]), np.array([0]), np.array([T0]), np.ones(1)
            )
        )
        save(database, tmp_path / "a.parquet")
        assert pq.read_schema(tmp_path / "a.parquet").names == ["time", "value", "start"]
        import_into(again, str(tmp_path / "a.parquet"))
        assert starts_of(again) == {("a", T0): 0}
    table = pa.table(
        {"time": pa.array([T0], pa.timestamp("ms")), "value": [1.0], "start": ["today"]}
    )
    pq.write_table(table, tmp_path / "b.parquet")
    with tsdb.memory() as other:
        import_into(other, str(tmp_path / "b.parquet"))
        assert starts_of(other) == {("today", T0): 0}


@pytest.mark.parametrize("layout", ["long", "wide"])
@pytest.mark.parametrize("name", ["a.parquet", "a.arrow"])
def test_metadata_comes_back(tmp_path: Path, name: str, layout: str) -> None:
    known = {
        "hits_total": tsdb.Metadata("counter", "Hits é.", ""),
        "lat": tsdb.Metadata("histogram", "Latency.", "seconds"),
    }
    names = ["hits_total", "lat_bucket", "lat_sum", "odd"]
    table = SeriesTable.from_dicts([{"__name__": name} for name in names])
    with tsdb.memory() as database, tsdb.memory() as again:
        database.append(Batch(table, np.arange(4), np.full(4, T0), np.ones(4)))
        database.set_metadata(known | {"other": tsdb.Metadata("gauge", "Not written.", "")})
        save(database, tmp_path / name, layout=layout)
        import_into(again, str(tmp_path / name))
        assert again.metadata() == known
        assert again.stats().head_samples == 4


@pytest.mark.parametrize("text", [b"", b"[]", b'{"m":["counter"]}', b'{"m":["counter","",1]}'])
def test_damaged_metadata_is_refused(tmp_path: Path, text: bytes) -> None:
    table = pa.table({"time": pa.array([T0], pa.timestamp("ms")), "value": [1.0]})
    pq.write_table(table.replace_schema_metadata({METADATA_KEY: text}), tmp_path / "a.parquet")
    with tsdb.memory() as database, pytest.raises(InputError, match="metadata of metrics"):
        import_into(database, str(tmp_path / "a.parquet"))
