"""Parquet files that are read selector by selector: the same samples as of a whole read, less of
the file, bounded memory."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import novaql
from benchmarks.inputs import write_fleet
from novaql import tsdb
from novaql.errors import InputError
from novaql.inputs.files import read_paths
from novaql.inputs.parquet.opening import local_source
from novaql.inputs.parquet.source import ParquetSource
from novaql.inputs.parquet.table import ParquetTable
from novaql.inputs.source_stream import source_stream
from novaql.tsdb.model.matchers import Matcher, MatchOp
from novaql.tsdb.model.samples import STALE
from novaql.tsdb.model.source import Selection, Source
from tests.support.store.model import batch_of
from tests.support.store.stored_histograms import simple

T = 1_700_000_000_000
Samples = dict[str, list[tuple[int, int]]]


def source_of(paths: Sequence[Path], batch_samples: int = 1 << 20) -> ParquetSource:
    found = local_source(paths)
    assert found is not None
    return ParquetSource(found._tables, batch_samples=batch_samples)


def samples_of(selection: Selection) -> Samples:
    """Exact to the bit."""
    names = [str(labels) for labels in selection.series.dicts()]
    found: Samples = {}
    for view in selection.views():
        flat = view.ragged()
        for place, row in enumerate(flat.rows.tolist()):
            some = slice(flat.bounds[place], flat.bounds[place + 1])
            times = flat.timestamps[some].tolist()
            if times:
                assert names[row] not in found
                bits = flat.values[some].view(np.int64).tolist()
                found[names[row]] = list(zip(times, bits, strict=True))
    return found


def random_table(rng: np.random.Generator, *, wide: bool) -> pa.Table:
    rows = int(rng.integers(1, 400))
    values = rng.normal(size=rows).round(1)
    values[rng.random(rows) < 0.05] = np.nan
    values[rng.random(rows) < 0.05] = STALE
    times = T + 1000 * rng.integers(0, 200, rows)
    if rng.random() < 0.5:
        times.sort()
    kind: Any = [pa.timestamp("ms"), pa.timestamp("ns", "UTC"), pa.int64()][rng.integers(3)]
    time: Any = pa.array(times)
    if pa.types.is_timestamp(kind):
        time = pa.array(times, pa.timestamp("ms")).cast(pa.timestamp(kind.unit)).cast(kind)

    def some(of: Sequence[Any], none: float = 0.2) -> list[Any]:
        return [None if rng.random() < none else of[i] for i in rng.integers(len(of), size=rows)]

    labels: dict[str, Any] = {
        "host": pa.array(some(["a", "b", "cc", ""]), pa.string()),
        "code": pa.array(some(["200", "500"]) if wide else some([200, 500])),
        "zone": pa.array(some(["x", "y"], 0.0)).dictionary_encode(),
    }
    if wide:
        more = pa.array([None if rng.random() < 0.5 else v for v in values.tolist()], pa.float64())
        return pa.table({"time": time, **labels, "m": pa.array(values), 'n{k="v"}': more})
    gaps = pa.array(values, mask=rng.random(rows) < 0.1)
    names = pa.array(some(["m", "n"], 0.1))
    return pa.table({"time": time, "__name__": names, **labels, "value": gaps})


MATCHERS = [
    [],
    [Matcher("__name__", MatchOp.EQUAL, "m")],
    [Matcher("host", MatchOp.EQUAL, "")],
    [Matcher("host", MatchOp.REGEX, "a|c+"), Matcher("zone", MatchOp.NOT_EQUAL, "x")],
    [Matcher("host", MatchOp.NOT_REGEX, "a|")],
    [Matcher("code", MatchOp.EQUAL, "200"), Matcher("__name__", MatchOp.REGEX, "n?")],
    [Matcher("nowhere", MatchOp.EQUAL, "x")],
    [Matcher("nowhere", MatchOp.EQUAL, "")],
    [Matcher("k", MatchOp.EQUAL, "v")],
    [Matcher("day", MatchOp.EQUAL, "2")],
    [Matcher("day", MatchOp.NOT_EQUAL, "1"), Matcher("host", MatchOp.EQUAL, "cc")],
]
RANGES = [
    (-(2**62), 2**62),
    (T, T + 50_000),
    (T + 77_000, T + 78_500),
    (T + 10**9, T + 10**10),
]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_selections_are_those_of_a_whole_read(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    paths = []
    for number in range(int(rng.integers(1, 4))):
        folder = tmp_path / f"day={number}" if seed % 2 else tmp_path
        folder.mkdir(exist_ok=True)
        paths.append(folder / f"{number}.parquet")
        size = int(rng.integers(5, 200))
        pq.write_table(random_table(rng, wide=seed % 3 == 0), paths[-1], row_group_size=size)
    whole: Source = read_paths(paths).collect()
    for batch_samples in (20, 1 << 20):
        source = source_of(paths, batch_samples)
        for matchers in MATCHERS:
            for start, end in RANGES:
                expected = samples_of(whole.select(matchers, start, end))
                assert samples_of(source.select(matchers, start, end)) == expected
                found = source.series([matchers], start, end).dicts()
                assert found == whole.series([matchers], start, end).dicts()
        assert source.last_sample_ms() == read_paths(paths).collect().last_sample_ms()
        some = MATCHERS[1:4]
        assert source.series(some, *RANGES[1]).dicts() == whole.series(some, *RANGES[1]).dicts()
        window = RANGES[0]
        assert source.label_names([], *window) == whole.label_names([], *window)
        assert source.label_values("host", [], *window) == whole.label_values("host", [], *window)


def test_an_import_of_the_source_has_all_samples(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    path = tmp_path / "a.parquet"
    pq.write_table(random_table(rng, wide=False), path, row_group_size=50)
    window = RANGES[0]
    again = source_of([path]).stream().collect()
    assert samples_of(again.select([], *window)) == samples_of(
        read_paths([path]).collect().select([], *window)
    )
    again = source_stream(source_of([path])).collect()
    assert samples_of(again.select([], *window)) == samples_of(
        source_of([path]).select([], *window)
    )


def fleet(hours: int = 4) -> pa.Table:
    """16 hosts, one after the other, every 10 s."""
    times = np.arange(hours * 360) * 10_000 + T
    hosts = np.repeat([f"h{n:02}" for n in range(16)], len(times))
    return pa.table(
        {
            "__name__": pa.repeat("load", len(hosts)),
            "host": pa.array(hosts),
            "time": pa.array(np.tile(times, 16), pa.int64()).cast(pa.timestamp("ms")),
            "value": pa.array(np.arange(len(hosts), dtype=float)),
        }
    )


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, tuple[str, ...]]]:
    """File, row group and columns of each read."""
    found: list[tuple[str, int, tuple[str, ...]]] = []
    plain = ParquetTable.read

    def read(self: ParquetTable, group: int, columns: Sequence[str]) -> Any:
        found.append((Path(self.name).parent.name, group, tuple(columns)))
        return plain(self, group, columns)

    monkeypatch.setattr(ParquetTable, "read", read)
    return found


def test_row_groups_are_pruned_by_labels_and_times(
    tmp_path: Path, reads: list[tuple[str, int, tuple[str, ...]]]
) -> None:
    path = tmp_path / "fleet.parquet"
    pq.write_table(fleet(), path, row_group_size=360)  # an hour of a host
    source = source_of([path])
    host = [Matcher("host", MatchOp.EQUAL, "h03")]
    selection = source.select(host, T + 3_600_000, T + 7_190_000)
    assert {group for _, group, _ in reads} == {13}
    assert [len(times) for times in samples_of(selection).values()] == [360]
    assert {group for _, group, _ in reads} == {13}
    assert "value" not in reads[0][2]  # the series need no values


def test_decimals_with_a_unit_are_not_pruned_by_their_digits(tmp_path: Path) -> None:
    path = tmp_path / "decimals.parquet"
    seconds = pa.array([Decimal(T + n) / 1000 for n in range(3)], pa.decimal128(18, 3))
    table = pa.table({"time_s": seconds, "value": [1.0, 2.0, 3.0]})
    pq.write_table(table, path, store_decimal_as_integer=True)
    (found,) = samples_of(source_of([path]).select([], T, T + 1)).values()
    assert [time for time, _ in found] == [T, T + 1]


def test_columns_of_other_metrics_are_not_read(
    tmp_path: Path, reads: list[tuple[str, int, tuple[str, ...]]]
) -> None:
    path = tmp_path / "wide.parquet"
    times = pa.array(np.arange(100) * 1000 + T, pa.timestamp("ms"))
    values = pa.array(np.arange(100.0))
    pq.write_table(pa.table({"time": times, "a": values, "b": values}), path)
    source = source_of([path])
    found = samples_of(source.select([Matcher("__name__", MatchOp.EQUAL, "b")], T, T + 10_000))
    assert [len(times) for times in found.values()] == [11]
    assert all("a" not in columns for *_, columns in reads)


def test_partitions_prune_before_a_file_is_opened(tmp_path: Path) -> None:
    for host in ("a", "b"):
        (tmp_path / f"host={host}").mkdir()
    pq.write_table(fleet(1).drop(["host"]), tmp_path / "host=a" / "x.parquet")
    broken = tmp_path / "host=b" / "x.parquet"
    broken.write_bytes(b"PAR1 not really PAR1")
    source = source_of([tmp_path / "host=a" / "x.parquet", broken])
    series = source.series([[Matcher("host", MatchOp.EQUAL, "a")]], *RANGES[0])
    assert series.dicts() == [{"__name__": "load", "host": "a"}]
    with pytest.raises(InputError, match=r"host=b/x\.parquet: this is no readable Parquet file"):
        source.series([], *RANGES[0])


def test_a_replaced_sample_is_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "twice.parquet"
    twice = pa.concat_tables([fleet(1), fleet(1).slice(0, 3)])
    values = np.arange(len(twice), dtype=float)
    pq.write_table(twice.set_column(3, "value", pa.array(values)), path, row_group_size=1000)
    source = source_of([path])
    found = samples_of(source.select([Matcher("host", MatchOp.EQUAL, "h00")], *RANGES[0]))
    assert np.array(next(iter(found.values())))[0, 1] == np.float64(5760.0).view(np.int64)
    assert source.notes == read_paths([path]).collect().notes
    assert "3 samples are replaced" in source.notes[0]


def test_a_file_that_changes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(fleet(1), path)
    source = source_of([path])
    assert source.last_sample_ms() == T + 3_590_000
    pq.write_table(fleet(2), path)
    with pytest.raises(InputError, match="the file changed while it was read"):
        source.series([], *RANGES[0])


def test_files_with_and_without_histograms_are_refused_together(tmp_path: Path) -> None:
    with tsdb.memory() as database:
        database.append(batch_of([({"__name__": "h"}, T, simple(2, b0=1, b1=1))]))
        novaql.save(database, tmp_path / "b.parquet")
    pq.write_table(fleet(1), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="this file has native histograms"):
        source_of([tmp_path / "a.parquet", tmp_path / "b.parquet"]).series([], *RANGES[0])
    assert local_source([tmp_path / "b.parquet"]) is None


MEASURED = """
import sys
import novaql
result = novaql.query("sum by (mode) (rate(cpu_seconds_total[5m]))", sys.argv[1],
                      start="2026-01-01T00:10:00Z", step="10m")
assert len(result) == 10, len(result)
print(next(int(line.split()[1]) for line in open('/proc/self/status') if 'VmHWM' in line) // 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize("order", ["series", "time"])
def test_a_query_of_sixty_megabytes_takes_bounded_memory(tmp_path: Path, order: str) -> None:
    path = tmp_path / "fleet.parquet"
    write_fleet(path, by_time=order == "time")
    assert path.stat().st_size > 55 << 20
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, path],
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "NOVAQL_COMPILED": "off"},
    )
    assert int(done.stdout) <= 300
