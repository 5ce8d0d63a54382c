"""JSON lines with a row of a table in each: those of pandas, polars and DuckDB."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pytest

from novaql import InputError, frame, query
from novaql.inputs.tables import json_rows

TIMES = pd.date_range("2026-01-01", periods=4, freq="1min")
LONG = pd.DataFrame(
    {"time": TIMES, "__name__": "up", "job": ["a", "b"] * 2, "value": [1.0, 2.0, None, 4.0]}
)
EXPECTED = [({"__name__": "up", "job": "a"}, 1.0), ({"__name__": "up", "job": "b"}, 4.0)]


def found(data: object) -> list[tuple[dict[str, str], float]]:
    result = query("up", data)
    return [(one.labels, one.values[0]) for one in result]


def test_rows_of_pandas(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    LONG.to_json(path, orient="records", lines=True, date_format="iso")
    assert found(path) == EXPECTED


def test_rows_of_polars(tmp_path: Path) -> None:
    path = tmp_path / "rows.ndjson"
    pl.from_pandas(LONG).write_ndjson(path)
    assert found(path) == EXPECTED


def test_rows_of_duckdb(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"  # no suffix of the formats: the content decides
    connection = duckdb.connect()
    connection.register("rows", LONG)
    connection.execute(f"COPY (FROM rows) TO '{path}' (FORMAT json)")
    assert found(path) == EXPECTED


def test_wide_rows_that_are_compressed(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"ts": 1767225600, "host": "a", "up": 1, "load": 0.5}\n'))
    assert query("load", path).item() == 0.5
    assert query("up", path).series.dicts() == [{"__name__": "up", "host": "a"}]


def test_named_columns(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"when": 1767225600, "room": "hall", "celsius": 21.5}\n')
    rooms = frame(path, time="when", value="celsius", name="temperature")
    assert query('temperature{room="hall"}', rooms).item() == 21.5


def test_an_open_file() -> None:
    text = '{"time": "2026-01-01T00:00:00Z", "up": 3}\n'
    assert query("up", io.StringIO(text)).item() == 3.0
    assert query("up", io.BytesIO(text.encode())).item() == 3.0


def test_a_folder_that_is_a_label(tmp_path: Path) -> None:
    (tmp_path / "env=prod").mkdir()
    (tmp_path / "env=prod" / "rows.jsonl").write_text('{"time": 1767225600, "up": 1}\n')
    assert query("up", tmp_path).series.dicts() == [{"__name__": "up", "env": "prod"}]


def test_other_json(tmp_path: Path) -> None:
    array, answer, broken = tmp_path / "a.json", tmp_path / "b.json", tmp_path / "c.jsonl"
    array.write_text('[{"time": 1767225600, "up": 1}]\n')
    answer.write_text('{"status":"success","data":{"resultType":"vector","result":[]}}\n')
    broken.write_text('{"time": 1767225600, "up": 1}\n{"time": 1767225600, "up": \n')
    with pytest.raises(InputError, match=r"a\.json: is an array of JSON; write one object"):
        query("up", array)
    with pytest.raises(InputError, match=r"b\.json: is an answer of Prometheus's API"):
        query("up", answer)
    with pytest.raises(InputError, match=r"c\.jsonl: JSON parse error"):
        query("up", broken)


@pytest.mark.parametrize("value", ["value", "load"])
def test_values_of_which_the_first_rows_have_whole_numbers(
    value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_rows, "_BLOCK", 64)
    path = tmp_path / "late.jsonl"
    rows = [(second, str(second)) for second in range(20)] + [(20, "0.5")]
    path.write_text("".join(f'{{"time_s":{s},"{value}":{n},"host":"a"}}\n' for s, n in rows))
    result = query('sum_over_time({host="a"}[1h])', path)
    assert result.item() == sum(range(20)) + 0.5
