"""`novaql lint` and `novaql complete`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from novaql.cli.main import run


def test_lint_says_where_and_what(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["lint", "histogram_quantile(0.9, sum(rate(x_bucket[5m])))"]) == 1
    assert capfd.readouterr().out == (
        "1:25: error: the buckets lose their bounds: le is aggregated away; "
        "write sum by (le) (…) (missing-le)\n"
    )


def test_an_info_is_no_failure(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["lint", "sum(x_total)"]) == 0
    assert "raw-counter" in capfd.readouterr().out
    assert run(["lint", "sum(rate(x_total[5m]))"]) == 0
    assert capfd.readouterr().out == ""


def test_lint_looks_at_the_data(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.prom"
    page.write_text('# TYPE heat gauge\nheat{room="hall"} 20 1000\n')
    assert run(["lint", "rate(heat[5m])", "--data", str(page), "--format", "json"]) == 1
    (found,) = json.loads(capfd.readouterr().out)
    assert (found["rule"], found["line"], found["column"]) == ("rate-of-gauge", 1, 1)
    assert run(["lint", 'heat{room="attic"}', "--data", str(page)]) == 1
    assert 'values are "hall"' in capfd.readouterr().out


def test_lint_of_what_is_no_query(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["lint", "sum("]) == 1
    assert '1:4: "(" is not closed' in capfd.readouterr().err


def test_complete(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.prom"
    page.write_text('heat{room="hall"} 20 1000\n')
    assert run(["complete", "irat"]) == 0
    assert capfd.readouterr().out.startswith("irate\tfunction\tirate(range vector)")
    assert run(["complete", 'heat{room="', "--data", str(page)]) == 0
    assert capfd.readouterr().out == "hall\tvalue\n"
    assert run(["complete", "he)", "--cursor", "2", "--data", str(page), "--format", "json"]) == 0
    first, *_ = json.loads(capfd.readouterr().out)
    assert (first["kind"], first["text"], first["start"], first["end"]) == ("metric", "heat", 0, 2)
