"""Native histograms in the store: formats, which sample stands, pages, and what is counted."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from novaql import tsdb
from novaql.tsdb import STALE, Batch, HistogramSamples, SeriesTable
from novaql.tsdb.model.histograms import CUSTOM_SCHEMA, Buckets, Histograms
from tests.support.store.model import Model, Sample, batch_of, read_all
from tests.support.store.stored_histograms import Native, histograms_of, natives, natives_of, simple

UP = {"__name__": "up"}
LATENCY = {"__name__": "latency"}


def formats(path: Path) -> dict[str, int]:
    """Format number that each file of a store says it has."""
    found = {"MANIFEST": int((path / "MANIFEST").read_bytes().split()[1])}
    for file in [*(path / "wal").iterdir(), *(path / "blocks").iterdir()]:
        found[file.name] = int.from_bytes(file.read_bytes()[8:12], "little")
    return found


def test_segments_have_the_lowest_format_that_can_hold_what_is_in_them(tmp_path: Path) -> None:
    with tsdb.open(tmp_path) as database:
        database.append(batch_of([(UP, 1, 1.0)]))
        database.flush()
        database.append(batch_of([(UP, 2, 1.0)]))
        assert formats(tmp_path) == {"MANIFEST": 6, "0000000001.block": 5, "0000000002.wal": 1}
        database.append(batch_of([(LATENCY, 2, simple(1, b0=1))]))
        database.append(batch_of([(UP, 3, 1.0)]))
        assert formats(tmp_path) == {
            "MANIFEST": 6, "0000000001.block": 5, "0000000002.wal": 1, "0000000003.wal": 2,
        }  # fmt: skip
        database.flush()
        database.append(batch_of([(UP, 4, 1.0)]))
        database.flush()
        blocks = {f"000000000{number}.block": 5 for number in (1, 2, 3)}
        assert formats(tmp_path) == {"MANIFEST": 6, **blocks}
    with tsdb.open(tmp_path) as database:
        database.append(batch_of([(UP, 5, 1.0)]))
        assert formats(tmp_path) == {"MANIFEST": 6, **blocks, "0000000005.wal": 1}


def test_formats_of_the_future_are_refused(tmp_path: Path) -> None:
    with tsdb.open(tmp_path) as database:
        database.append(batch_of([(LATENCY, 2, simple(1, b0=1))]))
        database.flush()
    (block,) = (tmp_path / "blocks").iterdir()
    block.write_bytes(block.read_bytes()[:8] + b"\x06" + block.read_bytes()[9:])
    with (
        tsdb.open(tmp_path, read_only=True) as database,
        pytest.raises(tsdb.UnknownFormat, match="format 6; this version supports 1 to 5"),
    ):
        read_all(database)
    manifest = tmp_path / "MANIFEST"
    manifest.write_bytes(b"novaql-store 7 " + b"0" * 32 + b" 00000000\n{}")
    with pytest.raises(tsdb.UnknownFormat, match="format 7; this version supports 1 to 6"):
        tsdb.open(tmp_path)


STEPS: list[list[Sample]] = [
    [(UP, 1000, 1.0), (UP, 2000, 2.0), (UP, 3000, 3.0)],
    [(UP, 2000, simple(5, b1=5))],
    [(UP, 1000, simple(6, b1=6)), (UP, 1000, 4.0)],  # the histogram counts as the later one
    [(UP, 2000, 7.0), (UP, 4000, STALE)],
    [(UP, 3000, simple(8, b1=8)), (UP, 3000, simple(9, b1=9))],
]


@pytest.mark.parametrize("flushes", range(2 ** len(STEPS)))
def test_the_later_sample_stands_whatever_its_kind(tmp_path: Path, flushes: int) -> None:
    model = Model()
    with tsdb.open(tmp_path, sync="os") as database:
        for number, step in enumerate(STEPS):
            database.append(batch_of(step))
            model.append(step)
            if flushes >> number & 1:
                database.flush()
            assert read_all(database) == model.select()
            window = read_all(database, (), 1500, 3000)
            assert window == model.select((), 1500, 3000)
        assert database.check() == []
        assert database.time_range() == (1000, 4000)
    with tsdb.open(tmp_path, read_only=True) as database:
        assert read_all(database) == model.select()


def test_what_gave_way_is_counted() -> None:
    database = tsdb.memory()
    for step in STEPS:
        database.append(batch_of(step))
        database.stats()  # every batch becomes a run of its own first
    database.flush()
    found = database.stats()
    assert (found.head_samples, found.duplicates, found.conflicts) == (4, 6, 6)
    database.append(batch_of([(UP, 3000, simple(9, b1=9))]))
    database.flush()
    assert database.stats().duplicates == 7
    assert database.stats().conflicts == 6  # the same histogram again
    sent = database.append(batch_of([(UP, 4000, simple(1)), (UP, 3500, simple(1))]))
    assert (sent.appended, sent.duplicates, sent.late) == (2, 1, 1)


def test_what_is_too_late_is_rejected() -> None:
    database = tsdb.memory(out_of_order_ms=100)
    database.append(batch_of([(UP, 1000, simple(1))]))
    result = database.append(batch_of([(UP, 899, simple(2)), (UP, 900, simple(3)), (UP, 1, 1.0)]))
    assert (result.appended, result.rejected) == (1, 2)
    assert database.append(batch_of([(UP, 899, simple(2))])).rejected == 1
    assert [time for _, found in read_all(database).items() for time, _ in found] == [900, 1000]


def test_series_of_histograms_are_found_by_their_labels(tmp_path: Path) -> None:
    with tsdb.open(tmp_path) as database:
        database.append(batch_of([({**LATENCY, "job": "a"}, 10, simple(1))]))
        database.append(batch_of([({**UP, "job": "b"}, 20, 1.0)]))
        for _ in range(2):
            assert database.label_values("job") == ["a", "b"]
            assert database.label_values("job", (), 15, 30) == ["b"]
            assert database.label_values("job", (), 0, 15) == ["a"]
            names = [labels["__name__"] for labels in database.series((), 0, 15)]
            assert names == ["latency"]
            database.flush()


def long_batch(series: int, length: int, start: int = 0) -> Batch:
    """Latencies that grow, of targets scraped together; buckets come up as time goes by."""
    rng = np.random.default_rng(series + length)
    table = SeriesTable.from_dicts([{**LATENCY, "i": str(i)} for i in range(series)])
    grown = np.cumsum(rng.poisson(0.3, (series, length, 12)), axis=1).astype(float)
    flat = grown.reshape(-1, 12)
    row, index = np.nonzero(flat)
    count = flat.sum(axis=1)
    custom = np.arange(len(flat)) % 7 == 0
    held = Histograms(
        np.where(custom, CUSTOM_SCHEMA, 3).astype(np.int8), np.zeros(len(flat), np.int8),
        count, count * 0.25, np.zeros(len(flat)), np.full(len(flat), 1e-128),
        Buckets.of_flat(row, index, flat[row, index], len(flat)), Buckets.none(len(flat)),
        np.where(custom, np.arange(len(flat)) % 3, -1).astype(np.int32),
        (tuple(range(11)), tuple(range(1, 12)), tuple(range(2, 13))),
    )  # fmt: skip
    times = np.tile((start + np.arange(length)) * 15_000, series)
    native = HistogramSamples(np.repeat(np.arange(series), length), times, held)
    return Batch(table, np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), native)


@pytest.mark.parametrize(("series", "length"), [(40, 20), (3, 700), (2, 3000)])
def test_pages_and_slices_of_them(tmp_path: Path, series: int, length: int) -> None:
    batch = long_batch(series, length)
    assert batch.native is not None
    expected = natives_of(batch.native.histograms)
    with tsdb.open(tmp_path, sync="os") as database:
        database.append(batch)
        for _ in range(2):
            for low, high in [(0, length), (length // 3, length // 2 + 1), (length - 1, length)]:
                found = read_all(database, (), low * 15_000, high * 15_000 - 1)
                assert len(found) == series
                for key, samples in found.items():
                    first = int(dict(key)["i"]) * length
                    assert [one for _, one in samples] == expected[first + low : first + high]
                    assert [time for time, _ in samples] == [15_000 * n for n in range(low, high)]
            database.flush()
            database.clear_cache()
        assert database.check() == []


def test_custom_bounds_that_nothing_uses_are_not_written(tmp_path: Path) -> None:
    one = Native(CUSTOM_SCHEMA, 0, (1, 2, 0, 0), (), (), (1.0, 2.0))
    other = replace(one, bounds=(3.0, 4.0))
    with tsdb.open(tmp_path, block_ms=1000) as database:
        database.append(batch_of([(LATENCY, 1, one), (LATENCY, 10**9, other)]))
        database.flush()
        sizes = set()
        for ref in database.select([], 0, 10**9).histograms:
            sizes.add(len(ref.load().histograms.custom_bounds))
        assert sizes == {2}
        for start in (0, 10**9):
            (ref,) = database.select([], start, start + 999).histograms
            assert len(ref.load().histograms.custom_bounds) == 1


@pytest.mark.slow
@given(st.lists(natives, min_size=1, max_size=12))
@settings(max_examples=60, deadline=None)
def test_bits_survive_log_and_block(singles: list[Native]) -> None:
    samples: list[Sample] = [({**UP, "i": str(n % 2)}, n, one) for n, one in enumerate(singles)]
    model = Model()
    model.append(samples)
    assert natives_of(histograms_of(singles)) == singles
    with tempfile.TemporaryDirectory() as folder:
        with tsdb.open(folder, sync="os") as database:
            database.append(batch_of(samples))
            assert read_all(database) == model.select()
        with tsdb.open(folder, sync="os") as database:
            assert read_all(database) == model.select()
            database.flush()
            assert read_all(database) == model.select()
        with tsdb.open(folder, read_only=True) as database:
            assert read_all(database) == model.select()
            assert database.check() == []


def test_large_histograms_fill_the_head_sooner(tmp_path: Path) -> None:
    wide = Native(3, 0, (1, 2, 0, 0), tuple((i, 1) for i in range(200)))
    with tsdb.open(tmp_path, sync="os", flush_samples=1000, close_flush_samples=10**9) as database:
        database.append(batch_of([(UP, n, 1.0) for n in range(20)]))
        database.flush_if_due()
        assert database.stats().blocks == 0
        database.append(batch_of([(LATENCY, n, wide) for n in range(20)]))
        database.flush_if_due()
        assert database.stats().blocks == 1


def test_a_caller_may_reuse_its_arrays() -> None:
    database, model = tsdb.memory(), Model()
    samples: list[Sample] = [(LATENCY, n, simple(n + 1, b1=n + 1)) for n in range(3)]
    batch = batch_of(samples)
    model.append(samples)
    database.append(batch)
    assert batch.native is not None
    held = batch.native.histograms
    for column in (batch.native.timestamps, held.count, held.sum, held.positive.population):
        column[:] = 77
    held.positive.index[:] = 5
    assert read_all(database) == model.select()
