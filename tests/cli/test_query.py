"""`novaql query`, `series` and `labels` over a small Parquet file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from novaql.cli.main import run
from tests.support.generators.results import NOON_MS, matrix

Text = pytest.CaptureFixture[str]
RANGE = ["--start", "2026-03-01T12:00:00Z", "--end", "2026-03-01T12:02:00Z", "--step", "1m"]
AT_NOON = ["--time", "2026-03-01T12:00:00Z"]


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Two series of `up`, three samples each from noon on, one a minute."""
    rows = matrix(
        [
            ({"__name__": "up", "job": "api", "instance": "a"}, [1, 1, 1]),
            ({"__name__": "up", "job": "api", "instance": "b"}, [0, 1, 0]),
            ({"__name__": "load", "instance": "a"}, [0.5, 1.5, 2]),
        ]
    )
    path = tmp_path_factory.mktemp("data") / "metrics.parquet"
    pq.write_table(rows.arrow(), path)
    return str(path)


def test_an_instant_query_as_a_table(metrics: str, capfd: Text) -> None:
    assert run(["query", "up", "--data", metrics, *AT_NOON]) == 0

    out, err = capfd.readouterr()
    assert out.splitlines() == [
        "vector: 2 series at 2026-03-01T12:00:00Z",
        'in every series: up{job="api"}',
        "instance  value",
        "────────  ─────",
        "a             1",
        "b             0",
    ]
    assert err == ""


def test_a_range_query_as_a_table_has_sparklines(metrics: str, capfd: Text) -> None:
    assert run(["query", "load", "--data", metrics, *RANGE]) == 0

    lines = capfd.readouterr().out.splitlines()
    assert lines[0].startswith("matrix: 1 series × 3 steps")
    assert lines[-1].split() == ["2", "0.5", "2", "▁▆█"]


def test_csv(metrics: str, capfd: Text) -> None:
    assert run(["query", "sum(up)", "--data", metrics, *RANGE, "--format", "csv"]) == 0

    assert capfd.readouterr().out.split("\n") == [
        "time,value",
        "2026-03-01T12:00:00Z,1",
        "2026-03-01T12:01:00Z,2",
        "2026-03-01T12:02:00Z,1",
        "",
    ]


def test_json_is_prometheus_data(metrics: str, capfd: Text) -> None:
    assert (
        run(["query", 'load{instance="a"}', "--data", metrics, *AT_NOON, "--format", "json"]) == 0
    )

    assert json.loads(capfd.readouterr().out) == {
        "resultType": "vector",
        "result": [
            {
                "metric": {"__name__": "load", "instance": "a"},
                "value": [NOON_MS // 1000, "0.5"],
            }
        ],
    }


@pytest.mark.slow
def test_arrow_into_a_pipe_and_a_file(metrics: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "novaql", "query", "up", "--data", metrics, *RANGE]
    piped = subprocess.run(
        [*command, "--format", "arrow"], capture_output=True, timeout=60, check=True
    )
    target = tmp_path / "out.arrow"
    assert run(["query", "up", "--data", metrics, *RANGE, "--output", str(target)]) == 0

    with pa.ipc.open_stream(piped.stdout) as one, pa.ipc.open_stream(target.read_bytes()) as other:
        table = one.read_all()
        assert table.equals(other.read_all())
    assert table["value"].to_pylist() == [1, 1, 1, 0, 1, 0]


@pytest.mark.parametrize(
    ("expr", "text"),
    [
        ("1 + 1", "scalar 2 at "),
        ('"hi"', 'string "hi" at '),
        ("load[5m]", "matrix: 1 series, 1 samples, "),
        ("absent(load)", "vector: 0 series at "),
    ],
)
def test_every_kind_of_result_has_a_table(expr: str, text: str, metrics: str, capfd: Text) -> None:
    assert run(["query", expr, "--data", metrics, *AT_NOON]) == 0
    assert capfd.readouterr().out.startswith(text)


@pytest.mark.slow
def test_the_query_from_standard_input(metrics: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "novaql", "query", "-", "--data", metrics, *AT_NOON],
        input="sum(\n  up\n)\n", capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1].strip() == "1"


def test_a_wrong_query_is_shown_with_its_place(metrics: str, capfd: Text) -> None:
    assert run(["query", "sum(rate(5))", "--data", metrics]) == 1

    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("error: 1:")
    assert "  sum(rate(5))\n" in err
    assert "^" in err.splitlines()[-1]


def test_an_empty_answer_says_where_the_data_is(metrics: str, capfd: Text) -> None:
    for form in ("table", "csv"):
        line = ["query", "upp", "--data", metrics, "--format", form, "--time", "2026-02-01"]
        assert run(line) == 0

        out, err = capfd.readouterr()
        said = out if form == "table" else err
        assert "there is no metric upp; did you mean up? (1:1)" in said
        assert "the data has samples from 2026-03-01T12:00:00Z" in said


def test_a_range_ends_with_the_data(metrics: str, capfd: Text) -> None:
    assert run(["query", "up", "--data", metrics, "--start", "2026-03-01T11:00:00Z"]) == 0

    out = capfd.readouterr().out
    assert "125 steps, 2026-03-01T11:00:00Z to 2026-03-01T12:02:00Z every 30s" in out
    assert "end is 2026-03-01T12:02:00Z, that of the last sample of the data" in out


def test_data_that_is_not_there(capfd: Text, tmp_path: Path) -> None:
    assert run(["query", "up", "--data", str(tmp_path / "missing.parquet")]) == 1
    assert "missing.parquet" in capfd.readouterr().err


def test_no_data_at_all(capfd: Text, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NOVAQL_DATA", raising=False)

    assert run(["query", "up"]) == 1
    assert "NOVAQL_DATA" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--time", "yesterday"], "'--time': 'yesterday' is not a time"),
        (["--start", "-1h", "--step", "0"], "'--step': must be more than 0"),
        (["--start", "-1h", "--step", "5 minutes"], "'--step': '5 minutes' is not a duration"),
        (["--start", "-1h", "--time", "now"], "--time is for one instant"),
        (["--end", "now"], "--end and --step need --start"),
        (["--step", "1m"], "--end and --step need --start"),
        (["--start", "now", "--end", "-1h"], "--end is before --start"),
        (["--format", "xml"], "'xml' is not one of"),
        (["--rows", "-1"], "--rows"),
    ],
)
def test_wrong_options_exit_2_and_say_why(options: list[str], text: str, capfd: Text) -> None:
    assert run(["query", "up", *options]) == 2
    assert text in " ".join(capfd.readouterr().err.split())


def test_a_range_without_a_step_gets_a_round_one(metrics: str, capfd: Text) -> None:
    day = ["--start", "2026-03-01T12:00:00Z", "--end", "2026-03-02T12:00:00Z"]
    assert run(["query", "load", "--data", metrics, *day]) == 0
    assert " × 145 steps, " in capfd.readouterr().out


def test_stats_and_plan(metrics: str, capfd: Text) -> None:
    assert run(["query", "sum(up)", "--data", metrics, *AT_NOON, "--stats"]) == 0
    assert "2 series, 2 samples" in capfd.readouterr().err
    assert run(["query", "sum(up)", "--data", metrics, *AT_NOON, "--explain"]) == 0
    assert "sum" in capfd.readouterr().out


def test_series(metrics: str, capfd: Text) -> None:
    assert run(["series", '{job="api"}', "--data", metrics]) == 0
    assert capfd.readouterr().out.splitlines() == [
        'up{instance="a", job="api"}',
        'up{instance="b", job="api"}',
    ]
    assert run(["series", "up", 'load{instance=~".*"}', "--data", metrics, "--count"]) == 0
    assert capfd.readouterr().out == "3\n"
    assert run(["series", "--data", metrics, "--start", "2027-01-01"]) == 0
    assert capfd.readouterr().out == ""
    assert run(["series", "load", "--data", metrics, "--format", "json"]) == 0
    assert json.loads(capfd.readouterr().out) == [{"__name__": "load", "instance": "a"}]


@pytest.mark.parametrize("selector", ["sum(up)", "up offset 5m", "up @ 5", "up{", "1"])
def test_series_wants_selectors(selector: str, metrics: str, capfd: Text) -> None:
    assert run(["series", selector, "--data", metrics]) == 1
    assert capfd.readouterr().err.startswith("error: 1:")


def test_labels(metrics: str, capfd: Text) -> None:
    assert run(["labels", "--data", metrics]) == 0
    assert capfd.readouterr().out.split() == ["__name__", "instance", "job"]
    assert run(["labels", "instance", "--data", metrics]) == 0
    assert capfd.readouterr().out.split() == ["a", "b"]
    assert run(["labels", "instance", "--match", "load", "--data", metrics]) == 0
    assert capfd.readouterr().out.split() == ["a"]
    assert run(["labels", "nope", "--data", metrics, "--format", "json"]) == 0
    assert json.loads(capfd.readouterr().out) == []


def test_series_and_labels_name_what_is_near(metrics: str, capfd: Text) -> None:
    for words, said in (
        (["series", "upp"], "there is no metric upp; did you mean up? (1:1)"),
        (["series", "--count", "upp"], "there is no metric upp; did you mean up? (1:1)"),
        (["series", 'up{job="apj"}'], 'values are "api"; did you mean job="api"? (1:1)'),
        (["series", "up", "--end", "2026-01-01"], "the series have no samples between"),
        (["labels", "--match", "upp"], "there is no metric upp; did you mean up? (1:1)"),
        (["labels", "jobs"], "no series has the label jobs; did you mean job?"),
    ):
        assert run([*words, "--data", metrics]) == 0
        out, err = capfd.readouterr()
        assert out == ("0\n" if "--count" in words else "")
        assert err.startswith("info: ")
        assert said in err
    assert run(["series", "up{", "--data", metrics]) == 1
    capfd.readouterr()
    assert run(["labels", "job", "--data", metrics]) == 0
    assert capfd.readouterr() == ("api\n", "")


def test_infos_of_a_table_are_in_its_time_zone(metrics: str, capfd: Text) -> None:
    berlin = ["--data", metrics, "--tz", "Europe/Berlin"]
    assert run(["query", "upp", *berlin]) == 0
    out = capfd.readouterr().out
    assert "time is 2026-03-01T13:02:00+01:00, that of the last sample" in out
    assert "samples from 2026-03-01T13:00:00+01:00 to 2026-03-01T13:02:00+01:00" in out
    quoted = 'up{job="2026-03-01T12:00:00Z"}'
    assert run(["query", quoted, *berlin]) == 0
    assert "job='2026-03-01T12:00:00Z' removes" in capfd.readouterr().out
