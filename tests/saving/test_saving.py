"""save(): every form read back, the strict parsers of others, and failures that leave no file."""

from __future__ import annotations

import io
import json
import subprocess
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families

import novaql
from novaql import tsdb
from novaql.errors import ArgumentError, InputError, StorageUnavailable
from novaql.export.stored import samples as stored_samples
from novaql.export.stored import wide
from novaql.inputs.importer import import_into
from novaql.inputs.resolve import as_source
from novaql.saving import save
from novaql.text.labels import quoted
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.samples import STALE, Batch, HistogramSamples
from novaql.tsdb.model.source import MAX_TIME_MS, MIN_TIME_MS, Metadata
from tests.support.histograms.native_histograms import any_histogram, columns, singles
from tests.support.programs.prometheus_programs import program
from tests.support.programs.victoria_program import running_victoria
from tests.support.store.batches import Plain, batches, bits, read_plain

QUICK = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
UTF8_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)
T0 = 1_700_000_000_000


def read_back(path: Path) -> Plain:
    with tsdb.memory() as database:
        import_into(database, str(path))
        return read_plain(database)


def as_text_has_it(found: Plain) -> Plain:
    """Without staleness markers, every NaN the usual one."""
    out: Plain = {}
    for labels, samples in found.items():
        kept = {
            time: bits(float("nan")) if np.isnan(np.frombuffer(value)[0]) else value
            for time, value in samples.items()
            if value != bits(STALE)
        }
        if kept:
            out[labels] = kept
    return out


def bits_of_a_nan(found: Plain) -> Plain:
    """Every NaN the usual one."""
    usual = bits(float("nan"))
    return {
        labels: {t: usual if np.isnan(np.frombuffer(v)[0]) else v for t, v in samples.items()}
        for labels, samples in found.items()
    }


@pytest.mark.slow
@QUICK
@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "a.csv", "a.jsonl", "a.om", "a.prom"])
@given(batch=batches(text=UTF8_TEXTS), cut=st.integers(1, 9))
def test_what_is_saved_is_read_back(
    name: str, batch: Batch, cut: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_samples, "BATCH_SAMPLES", cut)
    with tsdb.memory() as database:
        database.append(batch)
        wanted = read_plain(database)
        done = save(database, tmp_path / name)
    exact = name in ("a.parquet", "a.arrow")
    expected = wanted if exact else as_text_has_it(wanted)
    found = read_back(tmp_path / name) if expected else {}
    assert (found if exact else bits_of_a_nan(found)) == expected
    assert done.samples == sum(map(len, expected.values()))
    assert done.left_out == sum(map(len, wanted.values())) - done.samples
    assert done.series == len(wanted)


@pytest.mark.slow
@QUICK
@given(batch=batches(text=UTF8_TEXTS), cut=st.integers(1, 9), packed=st.booleans())
def test_the_wide_layout_is_read_back(
    batch: Batch, cut: int, packed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wide, "SLICE_SAMPLES", cut)
    path = tmp_path / ("a.parquet" if packed else "a.arrow")
    with tsdb.memory() as database:
        database.append(batch)
        wanted = read_plain(database)
        assert save(database, path, layout="wide").samples == sum(map(len, wanted.values()))
    if wanted:
        assert read_back(path) == wanted


def test_every_float_comes_back_bit_for_bit(tmp_path: Path) -> None:
    patterns = np.random.default_rng(7).integers(0, 2**64, 100_000, np.uint64, endpoint=False)
    table = SeriesTable.from_dicts([{"__name__": "m", "n": str(n)} for n in range(50)])
    times = np.tile(T0 + np.arange(2000), 50)
    batch = Batch(table, np.repeat(np.arange(50), 2000), times, patterns.view(np.float64))
    with tsdb.open(tmp_path / "db", sync="os") as database:
        database.append(batch)
        database.flush()
        wanted = read_plain(database)
        for name in ("a.parquet", "a.arrow"):
            save(database, tmp_path / name)
            assert read_back(tmp_path / name) == wanted


@pytest.mark.slow
@QUICK
@given(found=st.lists(any_histogram(), min_size=1, max_size=6))
def test_native_histograms_are_in_tables(found: list[object], tmp_path: Path) -> None:
    histograms = columns(found)  # type: ignore[arg-type]
    count = len(found)
    table = SeriesTable.from_dicts([{"__name__": "h"}, {"__name__": "f"}])
    native = HistogramSamples(np.zeros(count, np.int64), T0 + np.arange(count), histograms)
    batch = Batch(table, np.array([1]), np.array([T0]), np.array([2.5]), native)
    with tsdb.memory() as database:
        database.append(batch)
        done = save(database, tmp_path / "a.parquet")
        assert done.samples == count + 1
        left_out = save(database, tmp_path / "a.csv").left_out
        assert left_out == count
        written = pq.read_table(tmp_path / "a.parquet")
        direct = novaql.query("h[1h]", database, time=(T0 + count) / 1000).arrow()
    rows = written.filter(pa.compute.field("__name__") == "h")
    assert rows["histogram"].to_pylist() == direct["histogram"].to_pylist()
    assert len(singles(histograms)) == rows.num_rows


def families(database: tsdb.Database) -> None:
    rows = [
        ({"__name__": "http_requests_total", "code": "200"}, "counter"),
        ({"__name__": "load", "host": 'a"\\\n'}, "gauge"),
        ({"__name__": "odd", "x": "y"}, "unknown"),
        *(({"__name__": "t_seconds_bucket", "le": le}, "histogram") for le in ("0.5", "+Inf", "5")),
        ({"__name__": "t_seconds_sum"}, "histogram"),
        ({"__name__": "t_seconds_count"}, "histogram"),
        ({"__name__": "s_bytes", "quantile": "0.5"}, "summary"),
        ({"__name__": "s_bytes_sum"}, "summary"),
        ({"__name__": "s_bytes_count"}, "summary"),
        ({"__name__": "wrong_counter"}, "counter"),
        ({"__name__": "build_info", "version": "1"}, "info"),
    ]
    table = SeriesTable.from_dicts([labels for labels, _ in rows])
    index = np.repeat(np.arange(len(rows)), 3)
    times = np.tile(T0 + 500 * np.arange(3), len(rows))
    at = np.tile(np.arange(3.0), len(rows))
    first = np.array([1.0, 0.5, 3, 1, 9, 3, 9.5, 9, 2.5, 7, 5, 1, 1])  # +Inf of t_seconds: 9
    grows = np.array([1.0, -0.25, 0, 1, 1, 1, 0.5, 1, 0, 0.5, 1, 1, 0])
    values = first[index] + grows[index] * at
    database.append(Batch(table, index, times, values))
    database.set_metadata(
        {
            "http_requests": Metadata("counter", 'all "requests"\nand \\ more'),
            "load": Metadata("gauge", "", ""),
            "t_seconds": Metadata("histogram", "time", "seconds"),
            "s_bytes": Metadata("summary", "sizes", "bytes"),
            "wrong_counter": Metadata("counter", "has no _total"),
            "build": Metadata("info", "what it is"),
        }
    )


def test_openmetrics_satisfies_the_reference_parser() -> None:
    out = io.BytesIO()
    with tsdb.memory() as database:
        families(database)
        # One instant: that parser refuses a second sample of a histogram, promtool does not.
        save(database, out, format="openmetrics", end=T0 / 1000)
        wanted = read_plain(database, end=T0)
    found: dict[tuple[tuple[str, str], ...], dict[int, bytes]] = defaultdict(dict)
    types = {}
    parse: Any = text_string_to_metric_families  # it has no types
    for family in parse(out.getvalue().decode()):
        types[family.name] = (family.type, family.documentation, family.unit)
        for sample in family.samples:
            key = tuple(sorted({"__name__": sample.name, **sample.labels}.items()))
            found[key][round(float(sample.timestamp) * 1000)] = bits(sample.value)
    assert found == wanted
    assert types == {
        "build": ("info", "what it is", ""),
        "http_requests": ("counter", 'all "requests"\nand \\ more', ""),
        "load": ("gauge", "", ""),
        "odd": ("unknown", "", ""),
        "s_bytes": ("summary", "sizes", "bytes"),
        "t_seconds": ("histogram", "time", "seconds"),
        "wrong_counter": ("unknown", "has no _total", ""),
    }


def test_promtool_makes_blocks_of_openmetrics(tmp_path: Path) -> None:
    with tsdb.memory() as database:
        families(database)
        save(database, tmp_path / "a.om")
        wanted = read_plain(database)
    made = tmp_path / "data"
    subprocess.run(
        [program("promtool"), "tsdb", "create-blocks-from", "openmetrics", tmp_path / "a.om", made],
        check=True,
        capture_output=True,
    )
    assert read_plain(as_source(made)) == wanted
    (made / "wal").mkdir()  # without one it will not open
    dumped = subprocess.run(
        [program("promtool"), "tsdb", "dump", f"--sandbox-dir-root={tmp_path}", made],
        check=True,
        capture_output=True,
        text=True,
    )
    lines = [line.rsplit(" ", 2) for line in dumped.stdout.splitlines()]
    theirs = sorted((int(time), bits(float(value))) for _, value, time in lines)
    ours = sorted((time, value) for found in wanted.values() for time, value in found.items())
    assert theirs == ours
    assert {labels for labels, _, _ in lines} == {
        "{" + ", ".join(f"{name}={quoted(value)}" for name, value in key) + "}" for key in wanted
    }


@pytest.mark.slow
def test_victoria_metrics_takes_and_gives_json_lines(tmp_path: Path) -> None:
    folder = tmp_path
    table = SeriesTable.from_dicts([{"__name__": "m", "n": str(n)} for n in range(5)])
    values = np.arange(500.0) / 4
    values[[3, 200]] = np.inf, -np.inf
    floats = Batch(table, np.repeat(np.arange(5), 100), np.tile(T0 + np.arange(100), 5), values)
    with tsdb.memory() as database, running_victoria(folder / "vm") as url:
        database.append(floats)
        save(database, folder / "ours.jsonl")
        wanted = read_plain(database)
        body = (folder / "ours.jsonl").read_bytes()
        httpx.post(f"{url}/api/v1/import", content=body).raise_for_status()
        httpx.get(f"{url}/internal/force_flush").raise_for_status()
        theirs = httpx.get(f"{url}/api/v1/export", params={"match[]": '{n!=""}'})
        (folder / "theirs.jsonl").write_bytes(theirs.raise_for_status().content)
    assert read_back(folder / "theirs.jsonl") == wanted


def fleet(database: tsdb.Database) -> None:
    sets = [{"__name__": n, "job": j} for n in ("up", "load") for j in ("a", "b")]
    table = SeriesTable.from_dicts(sets)
    times = np.tile(T0 + 15_000 * np.arange(10), 4)
    database.append(Batch(table, np.repeat(np.arange(4), 10), times, np.arange(40.0)))


def test_selectors_and_times_choose() -> None:
    out = io.BytesIO()
    with tsdb.memory() as database:
        fleet(database)
        done = save(
            database,
            out,
            match=["up", '{job="a"}'],
            start=(T0 + 15_000) / 1000,
            end=(T0 + 45_000) / 1000,
            format="json-lines",
        )
    assert (done.series, done.samples) == (3, 9)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert sorted((x["metric"]["__name__"], x["metric"]["job"]) for x in lines) == [
        ("load", "a"),
        ("up", "a"),
        ("up", "b"),
    ]
    assert {tuple(x["timestamps"]) for x in lines} == {(T0 + 15_000, T0 + 30_000, T0 + 45_000)}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"format": "xls"}, "is one of parquet"),
        ({}, "name one"),
        ({"format": "csv", "layout": "wide"}, "has only the long one"),
        ({"format": "csv", "layout": "tall"}, "'long' or 'wide'"),
        ({"format": "csv", "start": 2, "end": 1}, "before start"),
    ],
)
def test_what_makes_no_sense_is_refused(
    options: dict[str, object], said: str, tmp_path: Path
) -> None:
    with tsdb.memory() as database:
        fleet(database)
        with pytest.raises(ArgumentError, match=said):
            save(database, tmp_path / "a", **options)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_a_series_without_a_name_is_not_wide(tmp_path: Path) -> None:
    with tsdb.memory() as database:
        table = SeriesTable.from_dicts([{"job": "a"}])
        database.append(Batch(table, np.zeros(1, np.int64), np.array([T0]), np.ones(1)))
        with pytest.raises(InputError, match="without a metric name"):
            save(database, tmp_path / "a.parquet", layout="wide")
    assert list(tmp_path.iterdir()) == []


def test_damage_is_told_and_the_file_before_stays(tmp_path: Path) -> None:
    with tsdb.open(tmp_path / "db", sync="os") as database:
        fleet(database)
        database.flush()
        old = save(database, tmp_path / "a.csv")
    before = (tmp_path / "a.csv").read_bytes()
    (block,) = (tmp_path / "db").rglob("*.block")
    whole = block.read_bytes()
    for place in range(0, len(whole), 16):  # until a page of samples is hit
        block.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        with suppress(StorageUnavailable), novaql.open(tmp_path / "db", read_only=True) as hurt:
            with suppress(tsdb.StoreError):
                hurt.store.series([], MIN_TIME_MS, MAX_TIME_MS)
            try:
                hurt.save(io.BytesIO(), format="csv")
            except StorageUnavailable:
                break
    with tsdb.open(tmp_path / "db", read_only=True) as database:
        with pytest.raises(StorageUnavailable):
            save(database, tmp_path / "a.csv")
        assert (tmp_path / "a.csv").read_bytes() == before
        done = save(database, tmp_path / "a.csv", strict=False)
    assert done.samples < old.samples
    assert len(done.read_errors) >= 1
