"""Stores that earlier programs wrote still open and hold the same samples, bit for bit.

`format1` and `format2` beside this file were written by programs that knew no later format:
`steps(…)` was appended step by step, with a flush after each but the last, which stays in the log.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import tsdb
from tests.support.store_model import Model, Sample, batch_of, from_bits, read_all
from tests.support.stored_histograms import simple

HERE = Path(__file__).parent
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
    if formats == 2:
        for at in range(40):
            when = START + at * 30_000
            second.append(
                ({"__name__": "latency"}, when, simple(at, b0=at + 1, b3=2 * at + 2, b7=1))
            )
        third.append(({"__name__": "latency"}, START + 9_000_000, simple(5, b1=5)))
    return [first, second, third]


@pytest.mark.parametrize("formats", [1, 2])
def test_what_was_written_is_read(tmp_path: Path, formats: int) -> None:
    model = Model()
    for step in steps(formats):
        model.append(step)
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
