"""`novaql tsdb`: what it prints, and that a dump says what it could not print."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from novaql import tsdb
from novaql.cli.main import run
from novaql.tsdb.model.samples import STALE
from tests.support.programs.prometheus_data import blocks_from
from tests.support.store.model import Model, Sample, batch_of, key_of, read_all
from tests.support.store.stored_histograms import simple

SAMPLES: list[Sample] = [
    *(({"__name__": "m", "job": f"j{n % 3}"}, 1000 * n, n / 7) for n in range(300)),
    ({"__name__": "odd name", "x": 'a"b'}, 5, float("inf")),
    ({"__name__": "odd name", "x": 'a"b'}, 6, STALE),
    ({"__name__": "odd name", "x": 'a"b'}, 7, -0.0),
]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "store"
    with tsdb.open(path) as database:
        database.append(batch_of(SAMPLES))
        database.flush()
        database.append(batch_of([({"__name__": "late", "job": "j1"}, 400_000, 2.5)]))
    return path


def test_blocks_are_listed(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tsdb", "list", str(store)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[1].split()[:2] == ["0000000001.block", "0"]
    assert "303" in lines[1].split()
    assert lines[2] == "in the log alone: 1 samples of 1 series"
    assert run(["tsdb", "list", str(store), "--format", "json"]) == 0
    (block,) = json.loads(capsys.readouterr().out)
    assert (block["samples"], block["series"], block["level"]) == (303, 4, 0)


def test_where_series_come_from(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tsdb", "analyze", str(store), "--limit", "2"]) == 0
    told = capsys.readouterr().out
    assert "5 series, 5 of them in the last 120 minutes" in told
    blocks = dict(block.split("\n", 1) for block in told.strip().split("\n\n")[1:])
    assert blocks["series by metric"].split() == ["3", "m", "1", "late"]
    assert blocks["values by label"].split() == ["3", "__name__", "3", "job"]
    assert run(["tsdb", "analyze", str(store), "--match", "m", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["series"] == 3
    assert found["series_by_pair"][0] == {"name": "__name__=m", "value": 3}


def test_every_sample_is_dumped(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tsdb", "dump", str(store)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 304
    assert 'm{job="j1"} 0.14285714285714285 1000' in lines
    assert '{"odd name", x="a\\"b"} stale 6' in lines
    assert '{"odd name", x="a\\"b"} -0 7' in lines
    assert run(["tsdb", "dump", str(store), "--match", "late"]) == 0
    assert capsys.readouterr().out == 'late{job="j1"} 2.5 400000\n'


def test_json_lines_are_imported(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tsdb", "dump", str(store), "--format", "jsonl"]) == 0
    shown = capsys.readouterr()
    assert "1 staleness markers left out" in shown.err
    (store.parent / "dump.jsonl").write_text(shown.out)
    again = str(store.parent / "again")
    assert run(["import", str(store.parent / "dump.jsonl"), "--data", again]) == 0
    with tsdb.open(store) as one, tsdb.open(again) as other:
        wanted = read_all(one)
        odd = key_of({"__name__": "odd name", "x": 'a"b'})
        wanted[odd] = [sample for sample in wanted[odd] if sample[0] != 6]
        assert read_all(other) == wanted


def test_histograms_are_not_left_out_in_silence(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with tsdb.open(store) as database:
        database.append(batch_of([({"__name__": "h"}, 9, simple(3, b1=3))]))
    assert run(["tsdb", "dump", str(store), "--match", "h"]) == 0
    assert capsys.readouterr().out.startswith("h {count:3, sum:")
    assert run(["tsdb", "dump", str(store), "--format", "jsonl"]) == 1
    assert "1 native histograms left out" in capsys.readouterr().err


def test_damage_is_told_and_the_rest_is_dumped(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with tsdb.open(store) as database:
        database.append(batch_of([({"__name__": "other"}, 10**9, 1.0)]))
        database.flush()
    block = min((store / "blocks").iterdir())
    content = bytearray(block.read_bytes())
    content[40] ^= 1  # in the first page
    block.write_bytes(content)

    assert run(["tsdb", "dump", str(store)]) == 1

    shown = capsys.readouterr()
    assert "other 1 1000000000" in shown.out
    assert f"{block.name}" in shown.err
    assert "missing" in shown.err


def test_a_large_dump_is_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows, width = 40, 5000  # several views
    series = tsdb.SeriesTable.from_dicts([{"__name__": "m", "n": str(n)} for n in range(rows)])
    times = np.tile(np.arange(width) * 15_000, rows) + np.repeat(np.arange(rows) % 3, width)
    values = np.random.default_rng(1).normal(size=rows * width)
    with tsdb.open(tmp_path / "s") as database:
        database.append(tsdb.Batch(series, np.repeat(np.arange(rows), width), times, values))
    assert run(["tsdb", "dump", str(tmp_path / "s")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == rows * width
    got: Model = Model()
    for line in lines[::997]:
        name, value, time = line.rsplit(" ", 2)
        number = int(name.split('"')[1])
        got.append([({"n": str(number)}, int(time), float(value))])
        place = number * width + int(time) // 15_000
        assert times[place] == int(time)
        assert values[place] == float(value)
    assert len(got.series) > 20


def test_a_directory_of_prometheus(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [f'm{{job="j{n % 3}"}} {n} {1_700_000_000 + n}' for n in range(300)]
    folder = str(blocks_from(["# TYPE m gauge", *lines], tmp_path / "data"))
    assert run(["tsdb", "list", folder]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert listed[0].split()[:3] == ["block", "level", "from"]
    assert sum(int(line.split()[5]) for line in listed[1:-1]) == 300
    assert listed[-1] == "in the head: 0 series"
    assert run(["tsdb", "list", folder, "--format", "json"]) == 0
    assert sum(block["samples"] for block in json.loads(capsys.readouterr().out)) == 300
    assert run(["tsdb", "analyze", folder, "--limit", "2"]) == 0
    told = capsys.readouterr().out
    assert "300 samples in them\n3 series\n" in told
    assert run(["tsdb", "analyze", folder, "--match", '{job="j1"}', "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["series"] == 1
    assert run(["tsdb", "dump", folder, "--match", '{job="j1"}', "--end", "1700000005"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        'm{job="j1"} 1 1700000001000',
        'm{job="j1"} 4 1700000004000',
    ]
