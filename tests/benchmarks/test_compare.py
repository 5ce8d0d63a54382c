"""The comparison of two benchmark files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.compare import main, table


def write(path: Path, medians: dict[str, float]) -> Path:
    runs = [
        {"fullname": f"benchmarks/{name}", "stats": {"median": seconds}}
        for name, seconds in medians.items()
    ]
    path.write_text(json.dumps({"benchmarks": runs}))
    return path


def test_ratios_are_after_by_before_slowest_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = write(tmp_path / "a.json", {"x.py::quicker": 0.004, "x.py::slower": 0.001})
    after = write(tmp_path / "b.json", {"x.py::quicker": 0.001, "x.py::slower": 0.002})

    assert main([str(before), str(after)]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:3]] == ["x.py::slower", "x.py::quicker"]
    assert [float(line.split()[-1]) for line in lines[1:4]] == [2.00, 0.25, 0.71]


def test_what_only_one_file_has_is_named() -> None:
    shown = table({"both": 1.0, "old": 1.0}, {"both": 1.0, "new": 1.0})

    assert "only before: old" in shown
    assert "only after: new" in shown


def test_nothing_in_common() -> None:
    assert table({"a": 1.0}, {"b": 1.0}) == "no benchmark is in both files"


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"benchmarks": [{}]}'])
def test_what_is_no_benchmark_file_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    (tmp_path / "a.json").write_text(content)

    assert main([str(tmp_path / "a.json"), str(tmp_path / "a.json")]) == 1
    assert "a.json was not written by --benchmark-json" in capsys.readouterr().err


def test_wrong_usage() -> None:
    assert main([]) == 2
