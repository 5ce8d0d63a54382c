"""Samples of one load that replace others of it, counted; against a dictionary."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import novaql
from novaql import tsdb
from novaql.cli.main import cli
from novaql.inputs import importer
from novaql.inputs.importer import import_into
from novaql.inputs.replaced_samples import overwritten
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.samples import Batch
from tests.support.store.batches import bits

T = 1_700_000_000_000
samples = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 4), st.sampled_from([0.0, -0.0, 1.0])), max_size=12
)


def batch_of(some: list[tuple[int, int, float]], shift: int) -> Batch:
    """Tables number the same series in different orders, and may hold one of them twice."""
    sets = [{"__name__": "m", "n": str((row + shift) % 3)} for row in range(4)]
    return Batch(
        SeriesTable.from_dicts(sets),
        np.array([row for row, _, _ in some], np.int64),
        np.array([time for _, time, _ in some], np.int64),
        np.array([value for _, _, value in some], np.float64),
    )


Given = tuple[list[tuple[int, int, float]], int, str]
orders = st.sampled_from(["", "rows", "times"])


@given(st.lists(st.tuples(samples, st.integers(0, 2), orders), max_size=4))
def test_as_a_dictionary_counts(given_batches: list[Given]) -> None:
    batches, last, count = [], dict[tuple[int, int], bytes](), 0
    for some, shift, order in given_batches:
        if order:
            some.sort(key=lambda s: s[:2] if order == "rows" else (s[1], s[0]))
        batches.append(batch_of(some, shift))
        for row, time, value in some:
            place = ((row + shift) % 3, time)
            count += last.get(place, bits(value)) != bits(value)
            last[place] = bits(value)
    assert overwritten(batches) == count


FILES = {
    "a.prom": "".join(f"m {n} {T + n % 40}\n" for n in range(80)),
    "a.csv": "timestamp,metric,value\n" + "".join(f"{T + n % 40},m,{n}\n" for n in range(80)),
    "a.lp": "".join(f"a m={n} {T + n % 40}000000\n" for n in range(80)),
    "a.jsonl": "".join(
        f'{{"metric":{{"__name__":"m"}},"value":{n},"timestamp":{T + n % 40}}}\n' for n in range(80)
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_an_import_says_how_many(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(FILES[name])
    with tsdb.open(tmp_path / "store") as database:
        report = import_into(database, path)
    assert (report.samples, report.overwritten) == (80, 40)
    (warning,) = report.warnings
    assert warning.startswith("40 samples are replaced by a later sample of this import")
    result = novaql.query("count({__name__=~'.+'})", str(path), time=T / 1000 + 1)
    assert any("40 samples are replaced" in one for one in result.warnings)
    done = CliRunner().invoke(cli, ["import", str(path), "--data", str(tmp_path / "other")])
    assert done.exit_code == 0
    assert "warning: 40 samples are replaced" in done.stderr
    assert "warning" not in done.stdout


def test_equal_samples_are_no_loss(tmp_path: Path) -> None:
    path = tmp_path / "a.prom"
    path.write_text(f"m 1 {T}\nm NaN {T + 1}\n" * 3)
    with tsdb.open(tmp_path / "store") as database:
        report = import_into(database, path)
        again = import_into(database, path)
    assert (report.warnings, again.warnings) == ((), ())


def test_an_import_that_does_not_wait_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importer, "HELD_SAMPLES", 10)
    path = tmp_path / "a.prom"
    path.write_text(FILES["a.prom"])
    with tsdb.open(tmp_path / "store") as database:
        assert import_into(database, path).overwritten == 40
