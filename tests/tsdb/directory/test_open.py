"""Opening, closing, and every way in which a call is refused."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from novaql import tsdb
from novaql.tsdb import Batch, Database, Matcher, MatchOp, Metadata, SeriesTable, Source
from novaql.tsdb.directory import manifest as manifests
from novaql.tsdb.directory.manifest import Manifest
from novaql.tsdb.disk.vfs import Disk
from novaql.tsdb.model.histograms import Buckets
from novaql.tsdb.model.samples import HistogramSamples
from tests.support.store.model import Model, Sample, batch_of, read_all
from tests.support.store.stored_histograms import histograms_of, simple

SAMPLES: list[Sample] = [
    ({"__name__": "up", "job": "a"}, 1000, 1.0),
    ({"__name__": "up", "job": "b"}, 2000, 0.5),
]


def test_both_kinds_are_sources(tmp_path: Path) -> None:
    assert isinstance(tsdb.memory(), Source)
    with tsdb.open(tmp_path) as database:
        assert isinstance(database, Source)
        assert database.path == tmp_path


def test_an_empty_database_answers(tmp_path: Path) -> None:
    with tsdb.open(tmp_path) as database:
        assert database.time_range() is None
        assert database.select([], 0, 100).series.rows == 0
        assert database.series([], 0, 100).rows == 0
        assert database.label_names() == []
        assert database.label_values("job") == []
        assert database.metadata() == {}
        assert database.version == 0
        database.flush()
        assert database.stats().blocks == 0


def test_a_path_without_a_store(tmp_path: Path) -> None:
    with pytest.raises(tsdb.StoreNotFound, match="nowhere"):
        tsdb.open(tmp_path / "nowhere", read_only=True)
    assert not (tmp_path / "nowhere").exists()
    with pytest.raises(tsdb.StoreNotFound):
        tsdb.check(tmp_path / "nowhere")
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "to_mother.txt").write_text("Dear mother,")
    (tmp_path / "file").write_text("")
    for name in ("letters", "file"):
        with pytest.raises(tsdb.NotAStore, match=name):
            tsdb.open(tmp_path / name)
    assert os.listdir(tmp_path / "letters") == ["to_mother.txt"]


def test_a_store_has_one_writer(tmp_path: Path) -> None:
    with tsdb.open(tmp_path) as database:
        database.append(batch_of(SAMPLES))
        with pytest.raises(tsdb.StoreLocked, match=f"process {os.getpid()}"):
            tsdb.open(tmp_path)
        with tsdb.open(tmp_path, read_only=True) as beside:
            assert read_all(beside) == read_all(database)
    tsdb.open(tmp_path).close()


def test_a_lock_does_not_outlive_its_process(tmp_path: Path) -> None:
    code = "import sys, os, tsdb; tsdb.open(sys.argv[1]); os._exit(9)"
    ended = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=Path(__file__).parents[3], check=False
    )
    assert ended.returncode == 9
    with tsdb.open(tmp_path) as database:
        assert database.open_report.clean


@pytest.mark.slow
def test_a_database_that_nobody_holds_lets_go(tmp_path: Path) -> None:
    database = tsdb.open(tmp_path)
    database.append(batch_of(SAMPLES))
    expected = read_all(database)
    del database
    gc.collect()
    deadline = time.monotonic() + 120
    while True:  # its threads notice at their next turn
        try:
            database = tsdb.open(tmp_path)
            break
        except tsdb.StoreLocked:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    assert read_all(database) == expected
    database.close()


def test_reading_writes_nothing(tmp_path: Path) -> None:
    with tsdb.open(tmp_path) as database:
        database.append(batch_of(SAMPLES))
    (segment,) = (tmp_path / "wal").iterdir()
    with segment.open("ab") as file:
        file.write(b"torn")
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
    with tsdb.open(tmp_path, read_only=True) as database:
        assert database.open_report.torn_bytes == 4
        assert len(read_all(database)) == 2
        for refused in (
            lambda: database.append(batch_of(SAMPLES)),
            database.flush,
            lambda: database.set_metadata({"up": Metadata("gauge")}),
        ):
            with pytest.raises(tsdb.ReadOnly):
                refused()
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")} == before


def test_a_closed_database_refuses(tmp_path: Path) -> None:
    database = tsdb.open(tmp_path)
    database.close()
    database.close()
    for refused in (
        lambda: database.append(batch_of(SAMPLES)),
        lambda: database.select([], 0, 1),
        lambda: database.label_names(),
        database.flush,
        database.stats,
        database.check,
    ):
        with pytest.raises(tsdb.StoreClosed):
            refused()


def test_a_newer_format_is_named(tmp_path: Path) -> None:
    tsdb.open(tmp_path).close()
    manifest = tmp_path / "MANIFEST"
    future = b"novaql-store 7 " + bytes(32).hex().encode()[:32] + b" 00000000\n{}"
    manifest.write_bytes(future)
    with pytest.raises(tsdb.UnknownFormat, match="format 7"):
        tsdb.open(tmp_path)
    assert manifest.read_bytes() == future
    with pytest.raises(tsdb.UnknownFormat):
        tsdb.open(tmp_path, read_only=True)


def test_options_are_checked(tmp_path: Path) -> None:
    for wrong in (
        {"block_ms": 0},
        {"sync_interval_s": 0},
        {"flush_samples": -1},
        {"cache_bytes": -1},
    ):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            tsdb.open(tmp_path / "store", sync="interval", read_only=False, disk=None, **wrong)
    with pytest.raises(ValueError, match="sometimes"):
        tsdb.open(tmp_path / "store", sync="sometimes")
    with pytest.raises(TypeError):
        tsdb.open(tmp_path / "store", colour="red")
    assert not (tmp_path / "store").exists()


GOOD = batch_of(SAMPLES)
NATIVE = HistogramSamples(np.array([0]), np.array([1000]), histograms_of([simple(3, b1=3)]))


def with_native(**changes: Any) -> Batch:
    return replace(GOOD, native=replace(NATIVE, **changes))


def with_histogram(**changes: Any) -> Batch:
    return with_native(histograms=replace(NATIVE.histograms, **changes))


def buckets(index: list[int], population: list[float], end: int | None = None) -> Buckets:
    offsets = np.array([0, len(index) if end is None else end])
    return Buckets(offsets, np.array(index, np.int32), np.array(population))


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (with_native(series_index=np.array([9])), "belongs to series 9"),
        (with_native(timestamps=np.array([1, 2])), "timestamps has shape"),
        (with_histogram(schema=np.array([9], np.int8)), "no such schema"),
        (with_histogram(hint=np.array([4], np.int8)), "no such reset hint"),
        (with_histogram(count=np.array([1])), "count is int64"),
        (with_histogram(bounds=np.array([0], np.int32)), "schema -53, and only"),
        (with_histogram(positive=buckets([2, 2], [1.0, 1.0])), "numbers do not increase"),
        (with_histogram(negative=buckets([1], [0.0])), "an empty one is listed"),
        (with_histogram(negative=buckets([1], [1.0], 3)), "2 offsets|offsets are wrong"),
        (with_histogram(custom_bounds=((2.0, 1.0),)), "finite and ascend"),
        (replace(GOOD, series_index=np.array([0, 2])), "sample 1 belongs to series 2"),
        (replace(GOOD, series_index=np.array([-1, 0])), "sample 0 belongs to series -1"),
        (replace(GOOD, series_index=np.array([0])), "series_index has shape"),
        (replace(GOOD, series_index=np.array([0.0, 1.0])), "series_index is float64"),
        (replace(GOOD, timestamps=np.array([0, 2**62 + 1])), "sample 1: .* is no time"),
        (replace(GOOD, timestamps=np.array([0, 1, 2])), "timestamps has shape"),
        (replace(GOOD, values=np.array([1, 2])), "values are int64"),
        (replace(GOOD, values=np.ones((2, 1))), "have shape"),
        (replace(GOOD, series=SeriesTable.unlabelled(2)), "series 0 of the batch has no labels"),
        (replace(GOOD, series=SeriesTable.from_dicts([{"a": "b"}, {"a": ""}])), "series 1"),
        (replace(GOOD, series=SeriesTable.from_dicts([{"a": "b"}, {"": "x"}])), "empty name"),
        (replace(GOOD, series=SeriesTable.from_dicts([{"a": "b"}, {"a": "\ud800"}])), "Unicode"),
    ],
)
def test_bad_batches_change_nothing(tmp_path: Path, bad: Batch, reason: str) -> None:
    with tsdb.open(tmp_path) as database:
        database.append(batch_of(SAMPLES))
        before, version = read_all(database), database.version
        with pytest.raises(tsdb.InvalidBatch, match=reason):
            database.append(bad)
        assert (read_all(database), database.version) == (before, version)
        assert database.label_names() == ["__name__", "job"]
        database.append(batch_of(SAMPLES))
    with tsdb.open(tmp_path) as database:
        assert read_all(database) == before


def test_what_an_append_reports() -> None:
    database = tsdb.memory(out_of_order_ms=1000)
    labels = {"__name__": "m"}
    assert database.append(batch_of([(labels, 5000, 1.0)])).appended == 1
    again = database.append(batch_of([(labels, 5000, 1.0)]))
    assert (again.appended, again.duplicates, again.late) == (1, 1, 0)
    late = database.append(batch_of([(labels, 4000, 2.0), (labels, 3999, 2.0)]))
    assert (late.appended, late.late, late.rejected) == (1, 1, 1)
    assert database.append(batch_of([(labels, 0, 2.0)])).rejected == 1
    database.append(batch_of([(labels, 5000, 7.0)]))
    stats = database.stats()
    assert (stats.duplicates, stats.conflicts, stats.head_samples) == (2, 1, 2)


@pytest.mark.parametrize("flushed", [False, True])
def test_a_store_rejects_late_samples_after_it_was_opened_again(
    tmp_path: Path, *, flushed: bool
) -> None:
    labels = {"__name__": "m"}
    with tsdb.open(tmp_path) as database:
        database.append(batch_of([(labels, 5000, 1.0)]))
        if flushed:
            database.flush()
    with tsdb.open(tmp_path, out_of_order_ms=1000) as database:
        late = database.append(batch_of([(labels, 4000, 2.0), (labels, 3999, 2.0)]))
        assert (late.appended, late.rejected) == (1, 1)


@pytest.mark.parametrize("flushes", [(), (0,), (0, 1)])
def test_the_later_sample_stands(tmp_path: Path, flushes: tuple[int, ...]) -> None:
    model = Model()
    with tsdb.open(tmp_path) as database:
        for step, value in enumerate((1.0, 2.0, 3.0)):
            samples: list[Sample] = [({"__name__": "m"}, time, value) for time in (step, 7, 9)]
            database.append(batch_of(samples))
            model.append(samples)
            if step in flushes:
                database.flush()
        assert read_all(database) == model.select()
    with tsdb.open(tmp_path) as database:
        assert read_all(database) == model.select()


def test_metadata_is_kept(tmp_path: Path) -> None:
    up = Metadata("gauge", 'Whether "it" is up.\n', "")
    with tsdb.open(tmp_path) as database:
        database.set_metadata({"up": up, "m": Metadata("counter")})
        database.set_metadata({"m": Metadata("gauge", unit="s")})
    for _ in range(2):
        with tsdb.open(tmp_path) as database:
            assert database.metadata() == {"up": up, "m": Metadata("gauge", unit="s")}
            database.append(batch_of(SAMPLES))
            database.flush()


def test_metadata_that_comes_during_a_flush_is_kept(tmp_path: Path) -> None:
    class Telling(Disk):
        """Sets metadata at the moment when the manifest is replaced by a flush."""

        block_is_there = False

        def rename(self, old: Path, new: Path) -> None:
            super().rename(old, new)
            if database is None:
                return
            if new.suffix == ".block":  # the next segment of the log begins with this
                database.set_metadata({"early": Metadata("counter")})
                self.block_is_there = True
            elif new.name == "MANIFEST" and self.block_is_there:
                self.block_is_there = False
                database.set_metadata({"late": Metadata("gauge")})

    database: Database | None = None
    database = tsdb.open(tmp_path, disk=Telling())
    for _ in range(2):
        database.append(batch_of(SAMPLES))
        database.flush()
    database.close()
    with tsdb.open(tmp_path) as reopened:
        assert reopened.metadata() == {"early": Metadata("counter"), "late": Metadata("gauge")}


def test_a_damaged_page_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    with tsdb.open(tmp_path) as database:
        for time in (0, 50_000_000):
            database.append(batch_of([({"__name__": "m"}, time, 1.5)]))
            database.flush()
    block = tmp_path / "blocks" / "0000000001.block"
    content = bytearray(block.read_bytes())
    content[40] ^= 1
    block.write_bytes(content)
    with tsdb.open(tmp_path) as database:
        assert len(read_all(database, [], 40_000_000, 60_000_000)) == 1
        with pytest.raises(tsdb.Corrupted, match=r"0000000001.block: times page 0: checksum"):
            read_all(database)
        assert [v.place for v in database.check()] == ["times page 0"]


def select_up(database: Database) -> int:
    return database.select([Matcher("__name__", MatchOp.EQUAL, "up")], 0, 10_000).samples


def test_cache_can_be_cleared(tmp_path: Path) -> None:
    with tsdb.open(tmp_path, cache_bytes=1 << 20) as database:
        database.append(batch_of(SAMPLES))
        database.flush()
        read_all(database)
        assert database.stats().cache.bytes > 0
        read_all(database)
        assert database.stats().cache.hits > 0
        database.clear_cache()
        assert database.stats().cache.bytes == 0
        assert select_up(database) == 2


@pytest.mark.parametrize("appends", [1, 2])
def test_what_is_in_memory_is_not_kept_twice(tmp_path: Path, appends: int) -> None:
    """A panel that is refreshed asks for another window each time."""
    series, samples = 3, 5000
    table = SeriesTable.from_dicts([{"__name__": "m", "i": str(i)} for i in range(series)])
    rows, times = np.repeat(np.arange(series), samples), np.tile(np.arange(samples), series)
    with tsdb.open(tmp_path) as database:
        for number in range(appends):
            some = times < samples / (1 + 3 * number)  # a shorter run stays beside a longer one
            at = times[some] + number * samples
            database.append(Batch(table, rows[some], at, np.ones(len(at))))
            assert len(read_all(database)) == series
        for start in range(5):
            assert database.select([], start, 10**6).samples
            for ref in database.select([], start, 10**6).batches:
                ref.load()
        assert database.stats().cache.entries == 0

        database.flush()
        read_all(database)
        assert database.stats().cache.entries > 0


def test_import_is_light() -> None:
    code = (
        "import sys, tsdb; print([m for m in ('pyarrow', 'pandas', 'numba') if m in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert ran.stdout == "[]\n"


def test_a_store_may_have_guests(tmp_path: Path) -> None:
    tsdb.open(tmp_path / "store").close()
    guest = tmp_path / "store" / "guest"
    guest.mkdir()
    (guest / "file").write_text("mine")

    tsdb.open(tmp_path / "store").close()

    assert (guest / "file").read_text() == "mine"


@pytest.mark.parametrize("place", range(len("novaql-store 5 ") + 32 + len(" 01234567\n{")))
def test_every_bit_of_the_first_line_of_a_manifest_counts(place: int) -> None:
    """Format and identity, too: a manifest of another store, or of another format, is none."""
    content = manifests.encode(Manifest(b"0123456789abcdef"))
    assert manifests.decode(content, Path("MANIFEST")).store == b"0123456789abcdef"
    for bit in range(8):
        damaged = bytearray(content)
        damaged[place] ^= 1 << bit
        with pytest.raises(tsdb.Corrupted):
            manifests.decode(bytes(damaged), Path("MANIFEST"))
