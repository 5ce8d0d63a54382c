"""`explain analyze`: the plan with what each operator cost."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

import novaql
from novaql import QueryOptions, evaluate, tsdb
from novaql.cli.main import cli
from novaql.evaluator.kernels.dispatch import KERNELS
from novaql.evaluator.profile import Profile
from novaql.planner.logical import Aggregation, BinaryOp
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.runtime.compiled import Mode


def database() -> tsdb.Database:
    made = tsdb.memory()
    labels = SeriesTable.from_dicts([{"__name__": "m_total", "i": str(i)} for i in range(6)])
    times = [second * 1000 for second in range(0, 600, 15)]
    rows = [row for row in range(6) for _ in times]
    made.append(tsdb.Batch(labels, rows, times * 6, [float(n % 40) for n in range(240)]))  # type: ignore[arg-type]
    return made


def test_costs_are_those_of_the_query() -> None:
    profile = Profile()
    options = QueryOptions(300_000, 540_000, 60_000)
    result = evaluate(
        "sum(rate(m_total[2m])) / count(m_total)", database(), options, profile=profile
    )

    plan = profile.plan
    assert isinstance(plan, BinaryOp)
    whole, left = profile.cost(plan), profile.cost(plan.left)
    assert isinstance(plan.left, Aggregation)
    assert whole is not None
    assert left is not None
    assert (whole.series, whole.samples) == (1, 5)
    assert whole.seconds is not None
    assert left.seconds is not None
    assert whole.seconds >= left.seconds > 0
    reads = re.findall(r"Select .*\[reads 6 series, (\d+) samples; ", profile.text())
    assert sum(map(int, reads)) == result.stats.samples > 0


def test_every_operator_has_a_line() -> None:
    text = novaql.analyze("topk(1, m_total) or abs(m_total @ 30)", database(), time=60)

    assert re.search(r"^BinaryOp op=or .*\[gives [67] series, .* B in memory; [\d.]+ ms\]", text)
    assert re.search(r"Aggregation op=topk  \[gives 1 series", text)
    assert re.search(r"Select .*@ 30  \[reads 6 series, 18 samples", text)


@pytest.mark.parametrize("mode", [Mode.OFF, Mode.ON])
def test_what_runs_tile_by_tile_has_figures_of_its_own(mode: Mode) -> None:
    if mode is Mode.ON:
        pytest.importorskip("numba", reason="compiled kernels need numba: pip install novaql[fast]")
    profile = Profile()
    options = QueryOptions(300_000, 540_000, 60_000)
    text = "sum(abs(-rate(m_total[2m]) * 2) > 1) + count(timestamp(m_total))"
    with KERNELS.forced(mode):
        found = evaluate(text, database(), options, profile=profile)
    plain = evaluate(text, database(), options)
    lines = [line for line in profile.text().splitlines() if "Constant" not in line]
    silent = [line.split()[0] for line in lines if " ms" not in line]

    assert found.values.tolist() == plain.values.tolist()
    assert silent == ["Window"]
    for name in ("op=>", "function=abs", "Negate", "function=timestamp", "function=rate"):
        (line,) = [line for line in lines if name in line]
        assert re.search(r"gives 6 series, \d+ samples; \d+ B in memory; ", line)
    reads = [line for line in lines if "Select" in line]
    assert len(reads) == 2
    assert all("reads 6 series" in line for line in reads)


def test_parts_that_a_time_range_leaves_out_are_told(tmp_path: Path) -> None:
    labels = SeriesTable.from_dicts([{"__name__": "m"}])
    with tsdb.open(tmp_path) as made:
        for day in range(3):
            made.append(tsdb.Batch(labels, [0], [day * 86_400_000], [1.0]))  # type: ignore[arg-type]
            made.flush()
        text = novaql.analyze("m offset 1d", made, time=2 * 86_400)

    assert "1 series, 1 samples; 8 B of samples; 1 of 3 parts" in text


def test_on_the_command_line() -> None:
    done = CliRunner().invoke(cli, ["query", "1 + vector(2)", "--explain", "analyze"])

    assert done.exit_code == 0, done.output
    assert "FunctionCall function=vector" in done.output
    assert "ms]" in done.output
