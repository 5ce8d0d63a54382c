"""A Prometheus data directory read in place answers as that Prometheus itself."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cramjam
import httpx
import numpy as np
import pytest

from novaql import InputError, query, tsdb
from novaql.inputs.importer import import_into
from novaql.inputs.prometheus import wal_samples
from novaql.inputs.prometheus.data_directory import DataDirectory
from novaql.inputs.prometheus.decoding import CHUNKS
from novaql.inputs.prometheus.wal_samples import read_samples
from novaql.inputs.prometheus.wal_segments import read_records, segments_of
from novaql.inputs.protobuf.wire import varint
from novaql.server.prometheus.read_histograms import histogram_fields
from novaql.server.prometheus.read_messages import label_fields
from novaql.tsdb.errors import Corrupted
from novaql.tsdb.model.read_errors import ReadErrors
from novaql.tsdb.model.samples import STALE_BITS
from novaql.tsdb.model.source import Hints
from novaql.tsdb.runtime.compiled import Mode
from tests.support.messages.remote_write_messages import Series, message_of, packed
from tests.support.programs.prometheus_data import (
    HeadBroken,
    RunningPrometheus,
    blocks_from,
    prometheus_with_data,
)
from tests.support.servers.http_server import WRITE_HEADERS
from tests.support.store.stored_histograms import Native, histograms_of, simple

pytestmark = pytest.mark.slow

START_S = 1_700_000_000
EVER = (0, 2**60)
QUERIES = (
    "count_over_time({__name__=~'.+'}[10h])",
    "sum_over_time(gauge[3h])",
    "rate(requests_total[7m])",
    "sum by (job) (increase(requests_total[1h]))",
    "last_over_time(gauge[10h]) - first",
    "count({__name__=~'.+'})",
)


def result_of(data: object, text: str, time_s: float) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(query(text, data, time=time_s).json())["result"]
    return found


def by_labels(result: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {
        json.dumps(one["metric"], sort_keys=True): one.get("value", one.get("histogram"))
        for one in result
    }


def assert_equal(ours: Sequence[dict[str, Any]], theirs: Sequence[dict[str, Any]]) -> None:
    mine, wanted = by_labels(ours), by_labels(theirs)
    assert mine.keys() == wanted.keys()
    for labels, (_, value) in wanted.items():
        if isinstance(value, dict):
            assert mine[labels][1] == value
        else:
            assert float(mine[labels][1]) == pytest.approx(float(value), rel=1e-12)


def lines() -> list[str]:
    rng = np.random.default_rng(4)
    out = ["# TYPE requests counter", "# TYPE gauge gauge"]
    totals = np.zeros(6)
    for k in range(700):
        at = START_S + 30 * k + 0.25
        totals += rng.integers(0, 9, 6)
        totals[3] = 0 if k == 400 else totals[3]
        out += [f'requests_total{{i="{i}",job="j{i % 2}"}} {totals[i]:g} {at}' for i in range(6)]
        out += [f'gauge{{i="{i}"}} {rng.normal():.3f} {at + i * 0.001:.3f}' for i in range(3)]
    return sorted(out, key=lambda line: (not line.startswith(("# TYPE req", "requests")), ""))


def samples_of(source: tsdb.Source) -> int:
    return source.select([], *EVER).samples


def test_blocks_answer_as_the_prometheus_that_has_them(tmp_path: Path) -> None:
    folder = blocks_from(lines(), tmp_path / "data")
    at = START_S + 30 * 650 + 7
    with prometheus_with_data(folder) as theirs:
        expected = [theirs.query(text, at) for text in QUERIES[:4]]
    assert any(expected)

    for text, wanted in zip(QUERIES[:4], expected, strict=True):
        assert_equal(result_of(folder, text, at), wanted)
    assert samples_of(DataDirectory(folder)) == 700 * 9
    assert len(DataDirectory(folder).blocks) > 1
    with tsdb.memory() as copy:
        assert import_into(copy, folder).samples == 700 * 9
        for text, wanted in zip(QUERIES[:4], expected, strict=True):
            assert_equal(result_of(copy, text, at), wanted)
    one = DataDirectory(DataDirectory(folder).blocks[0].folder)
    assert 0 < samples_of(one) < 700 * 9


def send(theirs: RunningPrometheus, series: Sequence[Series]) -> None:
    answer = httpx.post(
        f"{theirs.url}/api/v1/write", content=packed(message_of(series)), headers=WRITE_HEADERS
    )
    assert answer.is_success, answer.text


def fill(theirs: RunningPrometheus) -> None:
    """In order, late, histograms of integers and floats, a series that ends, a deletion."""
    rng = np.random.default_rng(8)
    send_histograms(theirs)
    begin = START_S + 6000
    for part in range(4):
        times = [(begin + 15 * k) * 1000 + 5 for k in range(150 * part, 150 * part + 150)]
        send(
            theirs,
            [
                ({"__name__": "requests_total", "i": str(i), "job": f"j{i % 2}"},
                 [(t, float(t // 1000 - begin) * (i + 1) // 7) for t in times])
                for i in range(20)
            ],
        )  # fmt: skip
    late = [({"__name__": "gauge", "i": str(i)}, [(begin * 1000 + 9_000_000, 1.0)]) for i in "ab"]
    send(theirs, late)
    earlier = rng.permutation(100)
    for some in np.split(earlier, 5):
        values = [(begin * 1000 + int(k) * 60_000 + 3, float(k)) for k in np.sort(some)]
        send(theirs, [({"__name__": "gauge", "i": i}, values) for i in "ab"])


def send_histograms(theirs: RunningPrometheus) -> None:
    """A series of integers and one of floats, each with a reset; the first one ends."""
    rng = np.random.default_rng(2)
    times = (START_S + 30 * np.arange(200)) * 1000 + 11
    fields: dict[str, list[bytes]] = {}
    for name, extra in (("whole", 0.0), ("floats", 0.25)):
        above = rng.integers(0, 4, (200, 6)).cumsum(axis=0) + extra
        above[120:] -= above[120] - 1
        fields[name] = histogram_fields(histograms_of([of_counts(row) for row in above]), times)
    ended = histogram_fields(histograms_of([stale_histogram()]), times[-1:] + 30_000)
    fields["whole"][-1] += ended[0]
    tables = {
        n: label_fields(tsdb.SeriesTable.from_dicts([{"__name__": n, "kind": n}]))[0]
        for n in fields
    }
    for at in range(0, 200, 50):  # head and histograms of both stay within an hour
        message = b""
        for name, some in fields.items():
            body = tables[name] + b"".join(some[at : at + 50])
            message += b"\x0a" + varint(len(body)) + body
        answer = httpx.post(
            f"{theirs.url}/api/v1/write", content=snappy_block(message), headers=WRITE_HEADERS
        )
        assert answer.is_success, answer.text


def snappy_block(message: bytes) -> bytes:
    return bytes(cramjam.snappy.compress_raw(message))


def of_counts(counts: np.ndarray[Any, Any]) -> Native:
    populated = {f"b{i}": n for i, n in enumerate(counts.tolist()) if n}
    return simple(float(counts.sum()), **populated)


def stale_histogram() -> Native:
    return Native(0, 0, (0, STALE_BITS, 0, 0))


@pytest.mark.parametrize("packing", ["snappy", "zstd", "none"])
def test_the_head_of_a_killed_prometheus_is_read_from_its_logs(
    tmp_path: Path, packing: str
) -> None:
    flags = {
        "snappy": [],
        "zstd": ["--storage.tsdb.wal-compression-type=zstd"],
        "none": ["--no-storage.tsdb.wal-compression"],
    }[packing]
    at = START_S + 15_010
    texts = [
        "count_over_time({__name__=~'.+'}[10h])",
        "sum_over_time(gauge[3h])",
        "rate(requests_total[2h])",
        "histogram_count(rate(whole[50m] offset 170m))",
        "histogram_count(last_over_time({__name__=~'whole|floats'}[4h]))",
        "count(last_over_time(whole[10m] offset 155m))",
        "floats offset 170m",
    ]
    for attempt in range(5):
        data = tmp_path / f"data-{attempt}"
        with prometheus_with_data(data, *flags) as theirs:
            fill(theirs)
            theirs.post("/api/v1/admin/tsdb/delete_series", **{
                "match[]": "requests_total{i='7'}", "start": START_S, "end": START_S + 10_000
            })  # fmt: skip
            try:
                expected = [theirs.query(text, at) for text in texts]
            except HeadBroken:
                continue
            live = DataDirectory(data)
            assert_equal(result_of(live, texts[0], at), expected[0])
            theirs.kill()
            break
    else:
        pytest.fail("five Prometheus servers in a row broke their own heads")

    assert any((data / "wal").iterdir())
    for text, wanted in zip(texts, expected, strict=True):
        assert len(wanted) > 0, text
        assert_equal(result_of(data, text, at), wanted)
    assert float(by_labels(expected[0])['{"i": "7", "job": "j1"}'][1]) < 600


def test_records_of_samples_are_decoded_alike_with_and_without_numba(tmp_path: Path) -> None:
    pytest.importorskip("numba", reason="numba is not installed: novaql[fast] has it")
    with CHUNKS.forced(Mode.ON):
        compiled = CHUNKS.ready()
    assert compiled is not None
    with prometheus_with_data(tmp_path / "data") as theirs:
        fill(theirs)
        theirs.kill()
    records = [
        record
        for _, some in read_records(segments_of(tmp_path / "data" / "wal"), None)
        for record in some
        if record[0] == 2
    ]
    plain, fast = read_samples(records), read_samples(records, compiled)
    assert len(plain.times) >= 20 * 600
    for name in ("references", "times", "values"):
        assert getattr(plain, name).tobytes() == getattr(fast, name).tobytes()
    for twin in (None, compiled):
        with pytest.raises(ValueError, match="cut off"):
            read_samples([records[0][:-1]], twin)
    assert read_samples([]).times.tolist() == wal_samples.LoggedSamples.none().times.tolist()


def flipped(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0x10
    path.write_bytes(bytes(data))


def test_a_damaged_chunk_is_named_and_the_rest_is_answered(tmp_path: Path) -> None:
    folder = blocks_from(lines(), tmp_path / "data")
    whole = samples_of(DataDirectory(folder))
    chunks = DataDirectory(folder).blocks[0].folder / "chunks" / "000001"
    flipped(chunks, chunks.stat().st_size // 2)

    source = DataDirectory(folder)
    with pytest.raises(Corrupted, match=r"000001: chunk at byte \d+: the checksum does not fit"):
        contents(source)
    read_errors = ReadErrors()
    selection = source.select([], *EVER, Hints(read_errors=read_errors))
    found = sum(view.sample_count for view in selection.views())
    assert whole - 120 <= found < whole
    assert len(read_errors) == 1
    result = query("count({__name__=~'.+'})", folder, time=START_S + 600)
    assert any("chunk at byte" in text for text in result.warnings)
    with tsdb.memory() as copy:
        with pytest.raises(InputError, match="chunk at byte"):
            import_into(copy, folder)
        assert copy.stats().version == 0


def test_every_flipped_byte_of_a_small_block_is_found_or_harmless(tmp_path: Path) -> None:
    """Every 37th byte of index, chunks and tombstones; every one:

    NOVAQL_SWEEP=1 pytest tests/inputs/prometheus/test_data_directory.py -k flipped
    """
    stride = int(os.environ.get("NOVAQL_SWEEP", "37"))
    some = [f'm{{i="{i}"}} {i * k} {START_S + 60 * k}' for i in range(4) for k in range(50)]
    folder = blocks_from(["# TYPE m gauge", *some], tmp_path / "data")
    expected = contents(DataDirectory(folder))
    block = DataDirectory(folder).blocks[0].folder
    outcomes = {"found": 0, "harmless": 0}
    for path in (block / "index", block / "chunks" / "000001", block / "tombstones"):
        original = path.read_bytes()
        for at in range(0, len(original), stride):
            flipped(path, at)
            try:
                assert contents(DataDirectory(folder)) == expected, (path.name, at)
                outcomes["harmless"] += 1
            except Corrupted:
                outcomes["found"] += 1
        path.write_bytes(original)
    assert outcomes["found"] > 10 * outcomes["harmless"] or outcomes["harmless"] < 10


def test_series_without_a_readable_chunk_are_reported(tmp_path: Path) -> None:
    some = [f'm{{i="{i}"}} {i * k} {START_S + 60 * k}' for i in range(2) for k in range(16)]
    folder = blocks_from(["# TYPE m gauge", *some], tmp_path / "data")
    block = DataDirectory(folder).blocks[0].folder
    chunks = block / "chunks" / "000001"
    whole, index = chunks.read_bytes(), (block / "index").read_bytes()
    no_samples = bytearray(whole)
    no_samples[11] ^= 16  # after the file's header, the length, and the encoding
    other_file = bytearray(whole)
    other_file[0] ^= 1
    for damaged in (bytes(no_samples), bytes(other_file), whole[:8], whole[:4], None):
        if damaged is None:
            chunks.unlink()
        else:
            chunks.write_bytes(damaged)
        with pytest.raises(Corrupted):
            contents(DataDirectory(folder))
        read_errors = ReadErrors()
        DataDirectory(folder).select([], *EVER, Hints(read_errors=read_errors))
        result = query("count(m)", folder, time=START_S + 600)
        assert any("samples are missing" in text for text in result.warnings)
    chunks.parent.rmdir()
    with pytest.raises(Corrupted, match="file 1: the file is not there"):
        contents(DataDirectory(folder))
    (block / "index").unlink()
    other = DataDirectory(blocks_from(["# TYPE n gauge", f"n 1 {START_S}"], tmp_path / "other"))
    other.blocks[0].folder.rename(folder / other.blocks[0].folder.name)
    with pytest.raises(Corrupted, match="index: the file: it is missing"):
        contents(DataDirectory(folder))
    result = query("n", folder, time=START_S)
    assert len(result.series) == 1
    assert any("it is missing" in text for text in result.warnings)
    (block / "index").write_bytes(index)
    (block / "meta.json").unlink()
    with pytest.raises(InputError, match=r"meta\.json"):
        DataDirectory(folder)


def contents(source: DataDirectory) -> list[object]:
    selection = source.select([], *EVER)
    found: list[object] = [selection.series.dicts()]
    for view in selection.views():
        flat = view.ragged()
        found.append((flat.rows.tolist(), flat.timestamps.tolist(), flat.values.tolist()))
    return found


def test_a_damaged_log_loses_a_page_and_says_so(tmp_path: Path) -> None:
    with prometheus_with_data(tmp_path / "data") as theirs:
        fill(theirs)
        theirs.kill()
    folder = tmp_path / "data"
    whole = samples_of(DataDirectory(folder))
    segment = max(segments_of(folder / "wal"), key=lambda path: path.stat().st_size)
    assert segment.stat().st_size >= 3 << 15  # a page behind the damaged one
    flipped(segment, (1 << 15) + 5000)

    source = DataDirectory(folder)
    with pytest.raises(Corrupted, match="record at byte"):
        source.select([], *EVER)
    read_errors = ReadErrors()
    found = source.select([], *EVER, Hints(read_errors=read_errors)).samples
    assert 0 < found < whole
    assert len(read_errors) >= 1


def test_a_torn_end_of_the_log_is_no_damage(tmp_path: Path) -> None:
    with prometheus_with_data(tmp_path / "data") as theirs:
        fill(theirs)
        theirs.kill()
    segment = segments_of(tmp_path / "data" / "wal")[-1]
    segment.write_bytes(segment.read_bytes()[:-100])
    assert samples_of(DataDirectory(tmp_path / "data")) > 0


def test_folders_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no blocks and no log"):
        DataDirectory(tmp_path / "empty")
    with pytest.raises(InputError, match="no database and holds no file"):
        query("m", tmp_path / "empty", time=0)
    folder = blocks_from(["# TYPE m gauge", f"m 1 {START_S}"], tmp_path / "data")
    (DataDirectory(folder).blocks[0].folder / "meta.json").write_text("{}")
    with pytest.raises(Corrupted, match="does not describe a block"):
        DataDirectory(folder)
