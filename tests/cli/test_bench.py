"""`novaql bench`: which queries it measures, over which times, and what it prints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from novaql import tsdb
from novaql.cli.main import run
from tests.support.store.model import Sample, batch_of

END_MS = 1_772_366_400_000
SAMPLES: list[Sample] = [
    ({"__name__": name, "job": f"j{job}"}, END_MS - 60_000 * minute, float(200 - minute))
    for name, jobs in (("requests_total", 4), ("load", 3), ("up", 2), ("rare", 1))
    for job in range(jobs)
    for minute in range(120)
]


@pytest.fixture
def store(tmp_path: Path) -> str:
    with tsdb.open(tmp_path / "store") as database:
        database.append(batch_of(SAMPLES))
        database.flush()
    return str(tmp_path / "store")


def bench(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    code = run(["bench", *arguments, "--rounds", "2", "--format", "json"])
    return code, json.loads(capsys.readouterr().out)


def test_metrics_with_the_most_series_are_measured(
    store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, rows = bench(capsys, store)

    assert code == 0
    assert [row["query"] for row in rows] == [
        "sum(rate(requests_total[5m]))",
        "topk(5, rate(requests_total[5m]))",
        "sum(load)",
        "max_over_time(load[5m])",
        "sum(up)",
        "max_over_time(up[5m])",
    ]
    assert [row["series"] for row in rows] == [4, 4, 3, 3, 2, 2]
    # The last hour, and the window before its first step.
    assert [row["samples"] for row in rows[:3]] == [4 * 65, 4 * 65, 3 * 65]
    assert all(len(row["seconds"]) == 2 and row["first"] > 0 for row in rows)
    assert all(min(row["seconds"]) <= row["median"] <= max(row["seconds"]) for row in rows)


def test_queries_come_from_options_and_files(
    store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "panels.txt").write_text("# panels\n\nsum(load)\n  max(up)  \n")
    (tmp_path / "rules.yml").write_text(
        "groups:\n- name: g\n  rules:\n  - record: r\n    expr: min(up)\n"
        "  - alert: A\n    expr: up == 0\n"
    )
    files = [f"--queries={tmp_path / name}" for name in ("panels.txt", "rules.yml")]

    code, rows = bench(capsys, store, "-q", "count(up)", *files)

    assert code == 0
    assert [row["query"] for row in rows] == [
        "count(up)", "sum(load)", "max(up)", "min(up)", "up == 0",
    ]  # fmt: skip


def test_the_range_can_be_chosen(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    times = ("--start", str(END_MS // 1000 - 600), "--end", str(END_MS // 1000 - 300))

    _, (row,) = bench(capsys, store, "-q", "max_over_time(up[1m])", *times, "--step", "1m")

    assert row["samples"] == 2 * 6


def test_a_query_that_fails_is_reported_and_the_others_are_measured(
    store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["bench", store, "-q", "sum(", "-q", "sum(up)", "--rounds", "1"]) == 1

    shown = capsys.readouterr()
    head, row = shown.out.splitlines()
    assert head.split()[0] == "first"
    assert row.split()[-3:] == ["2", "130", "sum(up)"]
    assert '"(" is not closed' in shown.err
    assert not shown.err.endswith("measuring")

    code, rows = bench(capsys, store, "-q", "sum(")
    assert code == 1
    assert list(rows[0]) == ["query", "error"]


def test_data_without_series_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tsdb.open(tmp_path / "store").close()

    assert run(["bench", str(tmp_path / "store")]) == 1
    assert "has no series" in capsys.readouterr().err


@pytest.mark.parametrize("query", ["sum(up)", "rate(up[5m])", "up / up" + " + up" * 100])
def test_a_query_in_place_of_data_is_an_error(
    query: str, store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["bench", store, query]) == 2
    assert capsys.readouterr().err.endswith(
        f"{query}: there is no such file or folder; a query is given by -q\n"
    )
