"""Files, folders, patterns and pairs; importing them; and what `query` takes as data."""

from __future__ import annotations

import gzip
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings

from novaql import query, tsdb
from novaql.errors import InputError, StorageUnavailable
from novaql.inputs import importer
from novaql.inputs.batch_stream import concat_batches
from novaql.inputs.file_formats import format_of
from novaql.inputs.files import read_paths
from novaql.inputs.importer import import_into
from novaql.inputs.open_any import open_stream
from novaql.inputs.read_options import FileKind, ReadOptions
from novaql.inputs.resolve import as_source
from novaql.inputs.tables.table_source import TableSource
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.samples import STALE, Batch
from novaql.tsdb.model.source import Metadata
from tests.support.store.batches import batches, bits, plain, read_plain


class Memory:
    """Keeps what is appended."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.metadata: dict[str, Metadata] = {}

    def append(self, batch: Batch, /) -> None:
        self.batches.append(batch)

    def set_metadata(self, metadata: Mapping[str, Metadata], /) -> None:
        self.metadata.update(metadata)


def write_pair(folder: Path, name: str, batch: Batch, *, ids_from: int = 0) -> None:
    """As a benchmark data set is laid out: labels in one file, samples in the other."""
    ids = np.arange(len(batch.series)) * 3 + ids_from
    labels = pa.array([list(s.items()) for s in batch.series], pa.map_(pa.string(), pa.string()))
    series = pa.table({"series_id": pa.array(ids, pa.uint32()), "labels": labels})
    samples = pa.table(
        {
            "series_id": pa.array(ids[batch.series_index], pa.uint32()),
            "timestamp_ms": pa.array(batch.timestamps),
            "value": pa.array(batch.values),
        }
    )
    pq.write_table(series, folder / f"{name}.series.parquet")
    pq.write_table(samples, folder / f"{name}.samples.parquet", row_group_size=5)


def small_batch(name: str = "up") -> Batch:
    series = SeriesTable.from_dicts([{"__name__": name, "job": job} for job in "abc"])
    return Batch(
        series, np.arange(12) % 3, np.arange(12) // 3, np.where(np.arange(12) == 11, STALE, 1.5)
    )


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batch=batches())
def test_a_pair_of_files_round_trips(batch: Batch, tmp_path: Path) -> None:
    write_pair(tmp_path, "x", batch, ids_from=7)
    assert read_plain(open_stream(tmp_path / "x").collect()) == plain(batch)


@pytest.mark.parametrize(
    "named", ["", "one", "one.series.parquet", "one.samples.parquet", "*.parquet", "o*"]
)
def test_a_pair_may_be_named_in_many_ways(tmp_path: Path, named: str) -> None:
    write_pair(tmp_path, "one", small_batch())
    stream = open_stream(str(tmp_path / named))
    found = list(stream.batches)
    assert plain(concat_batches(found)) == plain(small_batch())
    assert len({id(batch.series) for batch in found}) == 1
    assert len(found) == 3
    assert stream.files == 1


def test_a_folder_of_pairs_is_all_of_them(tmp_path: Path) -> None:
    write_pair(tmp_path, "one", small_batch("one"))
    write_pair(tmp_path, "two", small_batch("two"))
    (tmp_path / "manifest.json").write_text("{}")
    source = open_stream(tmp_path).collect()
    assert source.label_values("__name__", [], 0, 10) == ["one", "two"]
    assert source.samples == 24


def test_pairs_that_do_not_belong_together(tmp_path: Path) -> None:
    write_pair(tmp_path, "one", small_batch())
    write_pair(tmp_path, "two", small_batch(), ids_from=1)
    (tmp_path / "two.series.parquet").replace(tmp_path / "one.series.parquet")
    with pytest.raises(InputError, match="row 0 has 0, which the series file lacks"):
        open_stream(tmp_path / "one").collect()


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.parquet", b"", FileKind.PARQUET),
        ("a.csv.gz", b"", FileKind.CSV),
        ("a.PROM", b"", FileKind.TEXT),
        ("dump", b"# HELP up x\nup 1\n", FileKind.TEXT),
        ("dump", b'up{job="a,b"} 1\n', FileKind.TEXT),
        ("dump", b"up 1 1000\n", FileKind.TEXT),
        ("dump", b"time,value\n1,2\n", FileKind.CSV),
        ("dump", gzip.compress(b"time,value\n1,2\n", mtime=0), FileKind.CSV),
        ("dump", b"PAR1....", FileKind.PARQUET),
    ],
)
def test_the_kind_of_a_file(tmp_path: Path, name: str, content: bytes, kind: FileKind) -> None:
    (tmp_path / name).write_bytes(content)
    assert format_of(tmp_path / name).kind is kind


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.parquet", b"nonsense", "no readable Parquet"),
        ("a.parquet", b"PAR1" + bytes(50) + b"PAR1", "no readable Parquet"),
        ("a.csv", b"", "the first line is empty"),
        ("a.csv", b"time,value\n1,2\n3,x\n", "x"),
        ("a.csv", b"time,value\n1,2\n3\n", "Expected 2 columns"),
        ("a.csv", b"time,job\n1,x\n", "no column of numbers"),
        ("a.prom", b"up one\n", "a.prom:1:4: 'one' is no number"),
        ("a.prom.gz", gzip.compress(b"up 1\n" * 9, mtime=0)[:-4], "ended before"),
        ("a.bin", b"\x00\x01\x02\x03", "neither name nor content"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=reason) as caught:
        open_stream(tmp_path / name).collect()
    assert str(tmp_path / name) in str(caught.value)


def test_paths_that_lead_nowhere(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file or folder"):
        open_stream(tmp_path / "nothing.parquet")
    with pytest.raises(InputError, match="no file matches this pattern"):
        open_stream(str(tmp_path / "*.prom"))
    with pytest.raises(InputError, match="no database and holds no file of metrics"):
        open_stream(tmp_path)
    (tmp_path / "a.prom").write_bytes(b"up 1\n")
    with pytest.raises(InputError, match="no such file or folder"):
        open_stream([tmp_path / "a.prom", tmp_path / "b.prom"])


def test_zstandard(tmp_path: Path) -> None:
    with pa.CompressedOutputStream(str(tmp_path / "a.prom.zst"), "zstd") as file:
        file.write(b"up 1 1000\n")
    assert read_plain(open_stream(tmp_path / "a.prom.zst").collect()) == {
        (("__name__", "up"),): {1000: bits(1.0)}
    }


def test_progress_grows_to_the_whole(tmp_path: Path) -> None:
    write_pair(tmp_path, "one", small_batch())
    (tmp_path / "a.prom").write_bytes(b"up 1 1000\n" * 100)
    seen: list[tuple[int, int]] = []
    options = ReadOptions(progress=lambda done, total: seen.append((done, total)))
    for _ in read_paths([tmp_path], options).batches:
        pass
    done = [at for at, _ in seen]
    assert done == sorted(done)
    assert seen[-1][0] == seen[-1][1] > 0


def test_import_appends_everything(tmp_path: Path) -> None:
    write_pair(tmp_path, "one", small_batch("one"))
    (tmp_path / "a.prom").write_bytes(b"# HELP up Up.\nup 1\nup 2 1000\n")
    memory = Memory()
    seen: list[tuple[int, int]] = []
    report = import_into(memory, tmp_path, default_time_ms=5, progress=lambda *at: seen.append(at))
    expected = plain(small_batch("one")) | {(("__name__", "up"),): {5: bits(1.0), 1000: bits(2.0)}}
    assert plain(concat_batches(memory.batches)) == expected
    assert (report.samples, report.series, report.files) == (14, 4, 2)
    assert memory.metadata == {"up": Metadata("unknown", "Up.")}
    assert seen[-1][0] == seen[-1][1] == max(total for _, total in seen) > 1


@pytest.mark.parametrize("held", [10**6, 20])
def test_nothing_of_a_bad_input_is_appended(
    tmp_path: Path, held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importer, "HELD_SAMPLES", held)
    write_pair(tmp_path, "a", small_batch())
    write_pair(tmp_path, "b", small_batch())
    (tmp_path / "z.prom").write_bytes(b"up 1\nup one\n")
    memory = Memory()
    with pytest.raises(InputError, match=r"z\.prom:2:4"):
        import_into(memory, tmp_path)
    assert memory.batches == []
    (tmp_path / "z.prom").write_bytes(b"other 1\nother 2 7\n")
    report = import_into(memory, tmp_path)
    assert (report.samples, report.series, report.files) == (26, 4, 3)
    assert sum(len(batch) for batch in memory.batches) == 26


def test_samples_without_any_label_are_refused_before_anything_is_stored() -> None:
    table = pa.table({"time": [1, 2], "job": ["a", None], "value": [1.0, 2.0]})
    memory = Memory()
    with pytest.raises(InputError, match="without a metric name and without labels"):
        import_into(memory, table)
    assert memory.batches == []
    assert len(read_plain(as_source(table))) == 2


@pytest.mark.parametrize("listed", [False, True])
def test_a_stream_that_runs_dry_is_imported_whole(
    listed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importer, "HELD_SAMPLES", 0)
    table = pa.table({"time": [1, 2, 3], "up": [1.0, 2.0, 3.0]})
    reader = pa.RecordBatchReader.from_batches(table.schema, table.to_batches(max_chunksize=1))
    memory = Memory()
    data = [table.slice(0, 0), reader] if listed else reader
    assert import_into(memory, data).samples == 3
    assert sum(len(batch) for batch in memory.batches) == 3


def test_sources_are_taken_as_they_are() -> None:
    source = TableSource(small_batch())
    assert as_source(source) is source
    assert read_plain(as_source(small_batch())) == plain(small_batch())


def test_without_data_and_without_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NOVAQL_DATA", raising=False)
    with pytest.raises(InputError, match="no data was given"):
        as_source(None)
    monkeypatch.setenv("NOVAQL_DATA", str(tmp_path / "elsewhere"))
    with pytest.raises(InputError, match="NOVAQL_DATA names, is no database"):
        as_source(None)


def test_a_database_is_opened_once_and_again_when_it_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "db"
    write_pair(tmp_path, "one", small_batch())
    with tsdb.open(place) as database:
        report = import_into(database, tmp_path / "one")
        assert (report.samples, report.series) == (12, 3)
    first = as_source(place)
    assert as_source(str(place)) is first
    assert read_plain(first) == plain(small_batch())
    monkeypatch.setenv("NOVAQL_DATA", str(place))
    assert as_source() is first
    with tsdb.open(place) as database:
        import_into(database, small_batch("later"))
    monkeypatch.setenv("NOVAQL_DATA", "")
    monkeypatch.chdir(tmp_path)
    place.rename(tmp_path / "novaql-data")
    again = as_source()
    assert again.label_values("__name__", [], 0, 10) == ["later", "up"]


def test_a_table_file_is_read_again_only_when_it_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("time,up\n1,1\n")
    first = as_source(path)
    assert as_source(str(path)) is first
    path.write_text("time,up\n1,1\n2,1\n")
    again = as_source(path)
    assert again.select([], 0, 10**6).samples == 2
    assert first.select([], 0, 10**6).samples == 1


def test_labels_of_csv_are_read_as_written(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        'time,value,__name__,a,b\n1,1,m,NULL,"null"\n2,NULL,m,x,y\n3,,m,x,y\n4,2,m,NA,""\n'
    )
    with tsdb.memory() as database:
        import_into(database, str(path))
        found = sorted(tuple(sorted(dict(labels).items())) for labels in read_plain(database))
    assert found == [
        (("__name__", "m"), ("a", "NA")),
        (("__name__", "m"), ("a", "NULL"), ("b", "null")),
    ]


def test_a_broken_database_is_reported(tmp_path: Path) -> None:
    (tmp_path / "MANIFEST").write_bytes(b"nonsense")
    with pytest.raises(StorageUnavailable, match=str(tmp_path)):
        as_source(tmp_path)


@pytest.mark.parametrize("data", [17, b"bytes", object(), {1: [2]}, [1, 2]])
def test_other_things_are_refused(data: Any) -> None:
    with pytest.raises(InputError, match="cannot be read as metrics; pass a path"):
        as_source(data)


def test_an_empty_path_is_not_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here.prom").write_text("up 1\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="the path is empty"):
        as_source("")
    assert as_source(Path()).series([], 0, 10**15).rows == 1


def test_a_pipe_is_not_said_to_be_missing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="pipe: pipes and devices are not read"):
        as_source(tmp_path / "pipe")


def test_an_address_of_a_file_is_its_path(tmp_path: Path) -> None:
    path = tmp_path / "a b.prom"
    path.write_text("up 1 60000\n")

    assert query("up", path.as_uri()).item() == 1
    assert query("up", [path.as_uri()]).item() == 1
    with pytest.raises(InputError, match="no-such: there is no such file or folder"):
        query("up", (tmp_path / "no-such").as_uri())


def test_an_address_without_its_scheme_is_an_error_that_shows_it() -> None:
    with pytest.raises(InputError, match=r"; an address is written http://localhost:9490/x$"):
        query("up", "localhost:9490/x")
    with pytest.raises(InputError, match=r"folder$"):
        query("up", "load:average.parquet")


@pytest.mark.parametrize("data", ["ftp://host/a.parquet", "postgresql://host/db", ["hdfs://h/a"]])
def test_other_addresses_are_refused_by_name(data: Any) -> None:
    with pytest.raises(InputError, match=r"://h.* cannot be read: addresses are http://, "):
        query("up", data)
