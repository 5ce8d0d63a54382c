"""Times of samples: every one from year 1 to 9999 goes through every format; others are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import novaql
from novaql import tsdb
from novaql.errors import InputError
from novaql.inputs.importer import import_into
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.model.source import FIRST_SAMPLE_MS, LAST_SAMPLE_MS
from tests.support.messages.metric_families import GAUGE, delimited, family
from tests.support.store.batches import read_plain

EDGES = (FIRST_SAMPLE_MS, LAST_SAMPLE_MS)
BEYOND = (FIRST_SAMPLE_MS - 1, LAST_SAMPLE_MS + 1, -(10**17), 10**17)


def parquet(time: int) -> bytes:
    table = pa.table({"time_ms": [time, 0], "m": [1.0, 2.0]})
    out = pa.BufferOutputStream()
    pq.write_table(table, out)
    return out.getvalue().to_pybytes()


def protobuf(time: int) -> bytes:
    made = [family("m", GAUGE, {"gauge": {"value": 1.0}, "timestamp_ms": t}) for t in (time, 1)]
    return delimited(made)


FORMATS: dict[str, Callable[[int], bytes]] = {
    "a.prom": lambda t: f"m 1 {t}\nm 2 1\n".encode(),
    "a.om": lambda t: f"m 1 {t / 1000:.3f}\nm 2 1\n# EOF\n".encode(),
    "a.csv": lambda t: f"time_ms,metric,value\n{t},m,1\n1,m,2\n".encode(),
    "a.jsonl": lambda t: (
        json.dumps({"metric": {"__name__": "m"}, "values": [1, 2], "timestamps": [t, 1]}) + "\n"
    ).encode(),
    "a.pb": protobuf,
    "a.parquet": parquet,
}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("time", BEYOND)
def test_a_time_beyond_the_calendar_is_refused_and_nothing_is_stored(
    tmp_path: Path, name: str, time: int
) -> None:
    path = tmp_path / name
    path.write_bytes(FORMATS[name](time))
    with tsdb.open(tmp_path / "store") as database:
        with pytest.raises(InputError, match="out of range"):
            import_into(database, path)
        assert read_plain(database) == {}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("time", EDGES)
def test_the_first_and_the_last_time_are_taken(tmp_path: Path, name: str, time: int) -> None:
    path = tmp_path / name
    path.write_bytes(FORMATS[name](time))
    with tsdb.open(tmp_path / "store") as database:
        assert import_into(database, path).samples == 2
        ((_, found),) = read_plain(database).items()
    # Seconds of OpenMetrics are floats: at the end of the calendar they are a thirtieth of a ms.
    assert time in found


def test_a_batch_beyond_the_calendar_is_refused(tmp_path: Path) -> None:
    table = SeriesTable.from_dicts([{"__name__": "m"}])
    rows, times = np.zeros(2, np.int64), np.array([1, LAST_SAMPLE_MS + 1])
    batch = Batch(table, rows, times, np.ones(2))
    with tsdb.open(tmp_path / "store") as database:
        with pytest.raises(InputError, match="year 1 to 9999"):
            import_into(database, batch)
        assert read_plain(database) == {}


@pytest.mark.parametrize("time", [*EDGES, -1, -62_135_596_799_999 + 86_400_000])
def test_such_samples_are_queried_and_exported_in_every_format(tmp_path: Path, time: int) -> None:
    path = tmp_path / "a.prom"
    path.write_text(f"m 7 {time}\n")
    with novaql.open(tmp_path / "store") as database:
        database.load(path)
        at = time / 1000
        found = database.query("m", time=at)
        assert found.values.tolist() == [[7.0]]
        raw: Any = database.query("m[1ms]", time=at)
        assert [series.times.astype(np.int64).tolist() for series in raw] == [[time]]
        for made in (raw.arrow(), raw.pandas(), raw.polars(), raw.csv(), str(raw), repr(raw)):
            assert len(made) > 0
        assert database.query("timestamp(m)", time=at).values.tolist() == [[at]]
        assert database.query("year(timestamp(m))", time=at).values.size == 1
        for name in ("b.parquet", "b.csv", "b.prom", "b.om", "b.jsonl", "b.arrow"):
            try:
                database.save(tmp_path / name)
            except InputError:
                continue
            with tsdb.open(tmp_path / f"of {name}") as other:
                import_into(other, tmp_path / name)
                assert read_plain(other) == read_plain(database.store), name
        counted = database.sql("select count(*) from samples")
        assert counted is not None
        assert counted.fetchall() == [(1,)]
