"""Stores that earlier programs wrote still open and hold the same samples, bit for bit.

The stores beside this file were written by programs that knew no later format: `steps(…)` was
appended step by step, with a flush after each but the last, which stays in the log. Format 3
brought start timestamps and deletions: each of its steps was followed by `begun()` of the same
number, and what `DELETED` names was deleted at the end. From format 4 on `write.py` says how they
came to be: there are a merged block with rollups, an exemplar and metadata, too.

`closed5` was closed as it should be by the last program that knew one manifest, and none of whose
manifests named the segments of the log; it has three of these.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from novaql import tsdb
from novaql.tsdb.index.match import match_rows
from novaql.tsdb.model.exemplars import Exemplars
from novaql.tsdb.model.labels import SeriesTable
from tests.support.store.model import Model, Sample, batch_of, from_bits, read_all
from tests.support.store.stored_histograms import simple

HERE = Path(__file__).parent
FORMATS = (1, 2, 3, 4, 5, 6)
WITH_STARTS = (3, 4, 5, 6)
START = 1_700_000_000_000


def steps(formats: int) -> list[list[Sample]]:
    """Counters, gauges, strange bit patterns, short and long series; late and repeated samples."""
    first: list[Sample] = []
    for target in ("a", "b"):
        for at in range(300):
            when = START + at * 15_000 + (7 if target == "b" else 0)
            first.append(({"__name__": "hits_total", "job": target}, when, float(at * at)))
            first.append(({"__name__": "load", "job": target}, when, (at * 37 % 101) / 100))
            first.append(({"__name__": "sum", "job": target}, when, at / 3 + at % 7))
    patterns = (0, 1 << 63, 1, 0x7FF0000000000002, 0x7FF8000000000001, 0xFFF0000000000000, 1 << 52)
    first += [
        ({"__name__": "odd", "no": str(n)}, START, from_bits(x)) for n, x in enumerate(patterns)
    ]
    second: list[Sample] = [
        ({"__name__": "hits_total", "job": "a"}, START + 15_000, -1.0),
        ({"__name__": "hits_total", "job": "ö"}, START + 1, 2.5),
    ]
    third: list[Sample] = [({"__name__": "load", "job": "b"}, START + 9_000_000, 0.25)]
    if formats >= 2:
        for at in range(40):
            when = START + at * 30_000
            second.append(
                ({"__name__": "latency"}, when, simple(at, b0=at + 1, b3=2 * at + 2, b7=1))
            )
        third.append(({"__name__": "latency"}, START + 9_000_000, simple(5, b1=5)))
    if formats >= 3:  # more than a later program writes in the same way
        third += [({"__name__": "many"}, START + at, at / 7) for at in range(3000)]
    return [first, second, third]


DELETED = [tsdb.Matcher("__name__", tsdb.MatchOp.EQUAL, "odd")]
BEGUN = [tsdb.Matcher("__name__", tsdb.MatchOp.EQUAL, "begun_total")]


def begun(step: int) -> tsdb.Batch:
    """Three samples with start timestamps, and one without."""
    return tsdb.Batch(
        SeriesTable.from_dicts([{"__name__": "begun_total"}]),
        np.zeros(4, np.int64),
        START + 10 * step + np.arange(4),
        np.arange(4.0),
        starts=START - 1000 + np.array([step, step, 5, -START + 1000]),
    )


METADATA = {"hits_total": tsdb.Metadata("counter", "Hits.", "")}
ROLLUP_MS = 300_000


def traced() -> tsdb.Batch:
    """An exemplar with a trace, and no sample."""
    none = np.empty(0, np.int64)
    series = SeriesTable.from_dicts([{"__name__": "hits_total", "job": "a"}])
    labels = SeriesTable.from_dicts([{"trace_id": "abc"}])
    exemplars = Exemplars(np.array([0]), np.array([START]), np.array([0.5]), labels)
    return tsdb.Batch(series, none, none, np.zeros(0), exemplars=exemplars)


@pytest.mark.parametrize("formats", WITH_STARTS)
def test_start_timestamps_are_read(tmp_path: Path, formats: int) -> None:
    shutil.copytree(HERE / f"format{formats}", tmp_path / "store")
    with tsdb.open(tmp_path / "store", read_only=True) as database:
        (view,) = database.select(BEGUN, START - 1000, START + 1000).views()
    assert view.starts is not None
    wanted = [batch.starts for step in range(3) if (batch := begun(step)).starts is not None]
    assert view.starts.tolist() == np.concatenate(wanted).tolist()
    assert (
        view.timestamps.tolist() == np.concatenate([begun(n).timestamps for n in range(3)]).tolist()
    )


@pytest.mark.parametrize("formats", FORMATS)
def test_what_was_written_is_read(tmp_path: Path, formats: int) -> None:
    model = Model()
    for step in steps(formats):
        model.append(step)
    if formats >= 3:
        for number in range(3):
            model.append(
                [
                    ({"__name__": "begun_total"}, int(when), float(at))
                    for at, when in enumerate(begun(number).timestamps)
                ]
            )
        for key in model.select(DELETED):
            del model.series[key]
    shutil.copytree(HERE / f"format{formats}", tmp_path / "store")

    assert tsdb.check(tmp_path / "store") == []
    with tsdb.open(tmp_path / "store", read_only=True) as database:
        assert read_all(database) == model.select()
    with tsdb.open(tmp_path / "store") as database:
        database.append(batch_of([({"__name__": "new"}, START, 1.0)]))
        database.flush()
        model.append([({"__name__": "new"}, START, 1.0)])

        assert read_all(database) == model.select()
    assert tsdb.check(tmp_path / "store") == []


@pytest.mark.parametrize("formats", [n for n in FORMATS if n >= 4])
def test_rollups_exemplars_and_metadata_are_read(tmp_path: Path, formats: int) -> None:
    shutil.copytree(HERE / f"format{formats}", tmp_path / "store")
    with tsdb.open(tmp_path / "store", read_only=True) as database:
        block = database._state.block(database.blocks()[0])
        whole, rolled = block.rollups()
        rows = match_rows(block, [tsdb.Matcher("__name__", tsdb.MatchOp.EQUAL, "load")])
        found = {
            rollup.resolution_ms: {
                name: stream.floats(grids.value_start[rows], grids.grid_length[grids.grid_of[rows]])
                for name, stream in rollup.statistics.items()
            }
            for rollup, grids in ((whole, whole.grids), (rolled, rolled.grids))
        }
        exemplars = database.exemplars([[tsdb.Matcher("job", tsdb.MatchOp.EQUAL, "a")]])
        metadata = database.metadata()
    values = np.array([v for labels, _, v in steps(formats)[0] if labels["__name__"] == "load"])
    assert found[0]["count"].tolist() == [300, 300]
    assert found[0]["max"].tolist() == [values[0::2].max(), values[1::2].max()]
    assert found[ROLLUP_MS]["count"].sum() == 600
    assert found[ROLLUP_MS]["sum"].sum() == pytest.approx(values.sum(), rel=1e-12)
    assert exemplars.exemplars.labels.dicts() == [{"trace_id": "abc"}]
    assert metadata == METADATA


def closed_steps() -> list[list[Sample]]:
    """What was appended to `closed5`. The first two steps are in one block, the third in another,
    the others in a segment of the log each."""
    return [
        [({"__name__": "m", "i": str(n % 2)}, start + n * 10_000, float(n)) for n in range(40)]
        for start in (minute * 60_000 for minute in (0, 20, 40, 60, 70, 80))
    ]


CLOSED_DELETED = ("1", 120_000, 240_000)


def test_a_store_with_one_manifest_is_read_and_written_on(tmp_path: Path) -> None:
    store = tmp_path / "store"
    shutil.copytree(HERE / "closed5", store)
    model = Model()
    number, first, last = CLOSED_DELETED
    for step in closed_steps():
        model.append([one for one in step if one[0]["i"] != number or not first <= one[1] <= last])
    assert tsdb.check(store) == []
    for name in (store, HERE / "closed5"):
        with tsdb.open(name, read_only=True) as database:
            assert read_all(database) == model.select()
            assert database.metadata() == {"m": tsdb.Metadata("gauge", "A number.")}
            assert database.open_report.clean
            assert database.open_report.degraded == ()
            assert database.open_report.interrupted == ""
    for _ in range(2):
        with tsdb.open(store) as database:
            assert database.open_report.clean
            assert database.open_report.degraded == ()
            assert read_all(database) == model.select()
            database.append(batch_of([({"__name__": "new"}, START, 1.0)]))
            model.append([({"__name__": "new"}, START, 1.0)])
            assert read_all(database) == model.select()
    assert (store / "MANIFEST").read_bytes() == (store / "MANIFEST.copy").read_bytes()
    assert tsdb.check(store) == []
