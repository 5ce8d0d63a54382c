"""The benchmark of first contact prints its tables; each system gives the same answer."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from benchmarks import footprint, inputs

pytestmark = pytest.mark.slow


SYSTEMS = {"NovaQL": inputs.NOVAQL, "DuckDB": inputs.DUCKDB, "polars": inputs.POLARS}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fleet") / "by_time.parquet"
    with pytest.MonkeyPatch.context() as smaller:
        smaller.setattr(inputs, "SERIES", 430)  # the last host is the one that is asked for
        inputs.write_fleet(path, by_time=True)
    return path


@pytest.mark.parametrize("question", ["whole", "windows", "selective"])
def test_three_systems_answer_a_question_alike(fleet: Path, question: str) -> None:
    found = {}
    for system, program in SYSTEMS.items():
        names: dict[str, Any] = {"path": str(fleet)}
        exec(program, names)
        found[system] = names[question]()

    assert found["NovaQL"] > 0
    assert found == pytest.approx(dict.fromkeys(SYSTEMS, found["NovaQL"]), rel=1e-9)


@pytest.mark.parametrize("kind", ["object", "categorical", "str"])
def test_three_systems_answer_alike_over_a_frame(
    kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = []
    for system in SYSTEMS:
        monkeypatch.setattr(sys, "argv", ["", "20000", kind, system])
        exec(inputs.PANDAS, {})
        answers.append(json.loads(capsys.readouterr().out)[-1])

    assert answers[0] > 0
    assert answers == pytest.approx([answers[0]] * 3, rel=1e-9)


def test_systems_that_answer_differently_are_noticed() -> None:
    with pytest.raises(AssertionError):
        inputs.medians({"one": ("print([1.5, 1])",), "two": ("print([1.5, 2])",)}, 1)


def test_an_installation_counts_what_it_needs_once() -> None:
    core, everything = footprint.installed(), footprint.installed(("all",))

    assert core.keys() < everything.keys()
    assert {"novaql", "numpy", "pyarrow"} <= core.keys()
    assert {"numba", "polars"} <= everything.keys()
    assert all(everything[name] == size for name, size in core.items())
    assert core["pyarrow"] > 10


@pytest.mark.skipif(not shutil.which("prometheus"), reason="apt-get install prometheus")
def test_a_server_is_started_beside_prometheus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOVAQL_COMPILED", "off")
    small = ["--rounds", "1", "--only", "server", "--hours", "0.25", "--rest-s", "0"]
    done = CliRunner().invoke(inputs.main, small)

    assert done.exit_code == 0, done.output
    _, _, *rows = (line.split("|")[1:-1] for line in done.output.strip().splitlines())
    assert [row[0].strip() for row in rows] == ["NovaQL", "Prometheus"]
    assert all(float(row[2]) > 0 and int(row[3]) > 0 for row in rows)
