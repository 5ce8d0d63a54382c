"""`novaql metrics`: what is measured, with type, number of series and help."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from novaql.cli.main import run

PAGE = """\
# TYPE up gauge
# HELP up Whether a target answers.
up{job="a"} 1 1700000000
up{job="b"} 0 1700000000
# TYPE sent counter
# HELP sent Messages.
sent_total{job="a"} 5 1700000000
# TYPE wait_seconds histogram
# UNIT wait_seconds seconds
wait_seconds_bucket{job="a",le="1"} 1 1700000000
wait_seconds_bucket{job="a",le="+Inf"} 2 1700000000
wait_seconds_count{job="a"} 2 1700000000
wait_seconds_sum{job="a"} 3 1700000000
# EOF
"""


@pytest.fixture
def page(tmp_path: Path) -> str:
    path = tmp_path / "page.om"
    path.write_text(PAGE)
    return str(path)


def test_all_metrics(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["metrics", "--data", page]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "metric               type       series  help",
        "sent_total           counter         1  Messages.",
        "up                   gauge           2  Whether a target answers.",
        "wait_seconds_bucket  histogram       2",
        "wait_seconds_count   histogram       1",
        "wait_seconds_sum     histogram       1",
    ]


def test_metrics_of_selectors(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        run(["metrics", '{job="b"}', "wait_seconds_sum", "--data", page, "--format", "json"]) == 0
    )
    assert json.loads(capsys.readouterr().out) == [
        {
            "name": "up",
            "type": "gauge",
            "series": 1,
            "help": "Whether a target answers.",
            "unit": "",
        },
        {
            "name": "wait_seconds_sum",
            "type": "histogram",
            "series": 1,
            "help": "",
            "unit": "seconds",
        },
    ]


def test_no_metrics_and_why(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["metrics", "upp", "--data", page]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "info: there is no metric upp; did you mean up? (1:1)\n"


def test_metrics_without_metadata(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "table.csv"
    table.write_text("time,__name__,value\n2026-01-01T00:00:00Z,up,1\n")
    assert run(["metrics", "--data", str(table)]) == 0
    assert capsys.readouterr().out.splitlines()[1].split() == ["up", "unknown", "1"]
