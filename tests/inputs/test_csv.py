"""CSV: its dialects, and the names in its first line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from novaql.errors import InputError
from novaql.inputs.open_any import open_stream
from novaql.inputs.tables import csv_file
from novaql.inputs.tables.frame import frame
from tests.support.store.batches import Plain, bits, read_plain


def read(data: Any) -> Plain:
    return read_plain(open_stream(data).collect())


def test_csv_in_other_dialects(tmp_path: Path) -> None:
    path = tmp_path / "german.csv"
    path.write_text("time;host;cpu;load\n2025-06-01T12:00:00Z;a;0.5;\n2025-06-01T12:00:01Z;b;;2\n")
    assert read(path) == {
        (("__name__", "cpu"), ("host", "a")): {1_748_779_200_000: bits(0.5)},
        (("__name__", "load"), ("host", "b")): {1_748_779_201_000: bits(2.0)},
    }


def test_csv_labels_stay_as_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "buckets.csv"
    path.write_text("timestamp,__name__,le,value\n1,b,0.50,1\n1,b,007,NaN\n")
    found = read(path)
    assert set(found) == {(("__name__", "b"), ("le", "0.50")), (("__name__", "b"), ("le", "007"))}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("2026-01-01T00:00:00Z,cpu,web-1,0.25", "'2026-01-01T00:00:00Z' is a time"),
        ("2026-01-01 00:00:00+00:00,0.25", "'2026-01-01 00:00:00+00:00' is a time"),
        ("cpu;2026-01-01;0.25", "'2026-01-01' is a time"),
        ("2026-01-01,2026-01-02,0.25", "'2026-01-01' is a time"),
        ("1767225600,cpu,web-1,0.25", "'1767225600' is a number"),
    ],
)
def test_csv_without_names_of_columns_is_refused(tmp_path: Path, line: str, reason: str) -> None:
    path = tmp_path / "bare.csv"
    path.write_text(f"{line}\n{line}\n")
    with pytest.raises(InputError) as caught:
        read(path)
    assert str(caught.value) == f"{path}: the first line must name the columns, and {reason}"


@pytest.mark.parametrize("content", [b"PAR1\x15\xa0", "time,value\n".encode("utf-16")])
def test_a_file_that_is_not_csv_is_called_so(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "wrong.csv"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read(path)
    reason = "the first line is not UTF-8: no CSV file, or one in another encoding"
    assert str(caught.value) == f"{path}: {reason}"


def test_numbers_name_the_columns_of_a_wide_csv(tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    times = pd.date_range("2026-01-01", periods=2, tz="UTC")
    for index in (times, times.rename("time")):
        pd.DataFrame([[1.0, 2.0], [3.0, 4.0]], index, ["0", "0.99"]).to_csv(path)
        assert set(read(path)) == {(("__name__", "0"),), (("__name__", "0.99"),)}


def test_a_column_of_csv_that_is_not_used_may_have_any_name(tmp_path: Path) -> None:
    path = tmp_path / "dates.csv"
    path.write_text("time,value,job,2026-01-01\n1,2,a,9\n")
    assert frame(path, labels="job").series([], 0, 10**6).dicts() == [{"job": "a"}]


def test_blanks_around_names_of_columns_of_csv_do_not_count(tmp_path: Path) -> None:
    path = tmp_path / "blanks.csv"
    path.write_text("time, __name__, le ,\tvalue\n1,m,0.50,1\n")
    assert set(read(path)) == {(("__name__", "m"), ("le", "0.50"))}
    path.write_text("time,job, job,value\n1,a,b,1\n")
    with pytest.raises(InputError, match="several columns called 'job'"):
        read(path)


def test_metrics_of_which_the_first_rows_have_whole_numbers_or_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_file, "_BLOCK", 64)
    path = tmp_path / "late.csv"
    early = "".join(f"{second},a,{second},\n" for second in range(20))
    path.write_text(f"time_s,host,load,heat\n{early}20,a,0.5,1\n")
    found = read(path)
    assert found[("__name__", "heat"), ("host", "a")] == {20_000: bits(1.0)}
    assert found[("__name__", "load"), ("host", "a")][20_000] == bits(0.5)
    assert len(found[("__name__", "load"), ("host", "a")]) == 21
