"""`novaql export` and `novaql sql` over a small file."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from novaql.cli.main import run

Text = pytest.CaptureFixture[str]
Bytes = pytest.CaptureFixture[bytes]


@pytest.fixture
def metrics(tmp_path: Path) -> str:
    path = tmp_path / "metrics.om"
    path.write_text('# TYPE up gauge\nup{job="a"} 1 1700000000\nup{job="b"} 0 1700000000\n# EOF\n')
    return str(path)


@pytest.mark.slow
def test_export_to_a_file_and_to_a_pipe(metrics: str, tmp_path: Path, capfd: Text) -> None:
    target = tmp_path / "out.parquet"
    assert run(["export", "--data", metrics, "-o", str(target)]) == 0
    assert capfd.readouterr().out == f"exported 2 samples of 2 series into {target}\n"
    assert pq.read_table(target).column_names == ["time", "value", "__name__", "job"]

    assert run(["export", '{job="b"}', "--data", metrics, "--format", "text"]) == 0
    out, err = capfd.readouterr()
    assert out == '# TYPE up gauge\nup{job="b"} 0 1700000000000\n'
    assert err == ""


@pytest.mark.parametrize("form", ["text", "openmetrics", "csv", "json-lines", "parquet", "arrow"])
def test_a_hyphen_is_standard_output(
    form: str, metrics: str, tmp_path: Path, capfdbinary: Bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["export", "--data", metrics, "--format", form]
    assert run(command) == 0
    expected = capfdbinary.readouterr().out
    assert run([*command, "-o", "-"]) == 0
    assert capfdbinary.readouterr().out == expected
    assert len(expected) > 40
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.om"]


@pytest.mark.slow
def test_a_hyphen_of_query_and_sql(
    metrics: str, tmp_path: Path, capfd: Text, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for command in (["query", "sum(up)"], ["sql", "SELECT sum(value) AS value FROM up"]):
        assert run([*command, "--data", metrics, "--format", "csv", "-o", "-"]) == 0
        assert capfd.readouterr().out.splitlines()[0].endswith("value")
    assert run(["export", "--data", metrics, "-o", "-"]) == 2
    assert "a format with --format" in capfd.readouterr().err
    assert not Path("-").exists()


def test_export_wants_a_file_or_a_format(metrics: str, capfd: Text) -> None:
    assert run(["export", "--data", metrics]) == 2
    assert run(["export", "--data", metrics, "-o", "x.unknown"]) == 2
    assert run(["export", "up{", "--data", metrics, "--format", "csv"]) == 1
    assert "name a file" in capfd.readouterr().err


@pytest.mark.parametrize("form", ["csv", "json", "table", "parquet"])
def test_sql_in_every_format(form: str, metrics: str, tmp_path: Path) -> None:
    target = tmp_path / "answer"
    statement = "SELECT job, value FROM up ORDER BY job"
    assert run(["sql", statement, "--data", metrics, "--format", form, "-o", str(target)]) == 0
    if form == "parquet":
        assert pq.read_table(target).to_pylist()[0] == {"job": "a", "value": 1.0}
    elif form == "json":
        assert json.loads(target.read_text())[1] == {"job": "b", "value": 0.0}
    elif form == "csv":
        assert target.read_text() == "job,value\na,1.0\nb,0.0\n"
    else:
        assert "│ a       │    1.0 │" in target.read_text()


@pytest.mark.slow
def test_sql_that_is_wrong(metrics: str, capfd: Text) -> None:
    assert run(["sql", "SELECT nothing FROM up", "--data", metrics]) == 1
    assert "nothing" in capfd.readouterr().err
    assert run(["sql", "SELECT 1 / 'x'::INT", "--data", metrics]) == 1
