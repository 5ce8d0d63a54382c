"""A runner is right if it fails what is wrong: each check is shown a result that breaks it."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from novaql import evaluate
from novaql.language import format_expr, parse
from novaql.model.histogram_columns import columns_of
from novaql.model.histogram_notation import parse_histogram
from novaql.options import QueryOptions
from novaql.promqltest.report import report
from novaql.promqltest.runner import Engine, Verdict, run_script
from novaql.promqltest.script_parser import parse_script
from novaql.promqltest.step_invariance import can_be_pinned, other_times, pinned
from novaql.result import NativeCells, Result
from novaql.tsdb.model.source import Source

DATA = 'load 1m\n  a{x="1"} 1 2 3\n  a{x="2"} 4 5 6\n\n'


def verdict(eval_text: str, engine: Engine = evaluate) -> Verdict:
    (found,) = run_script(parse_script(DATA + eval_text, "x.test"), engine)
    return found


@pytest.mark.parametrize(
    "eval_text",
    [
        'eval instant at 1m a\n  a{x="2"} 5\n  a{x="1"} 2',
        "eval instant at 1m sum(a)\n  {} 7",
        "eval instant at 1m 1 + 1\n  2",
        'eval instant at 1m "t"\n  expect string "t"',
        "eval instant at 1m nothing",
        'eval range from 0 to 3m step 1m a{x="1"}\n  a{x="1"} 1 2 3 3',
        'eval instant at 1m30s a{x="1"}[2m]\n  expect range vector from 0 to 1m step 1m\n'
        '  a{x="1"} 1 2',
        "eval instant at 1m a + on () a\n  expect fail regex: many-to-many",
        "eval instant at 1m rate(a[5m])\n  expect info regex: might not be a counter\n"
        "  expect no_warn\n"
        '  {x="1"} 0.005\n  {x="2"} 0.005',
        'eval_ordered instant at 1m sort_desc(a)\n  a{x="2"} 5\n  a{x="1"} 2',
        "eval instant at 1m time()\n  60",
    ],
)
def test_what_is_right_passes(eval_text: str) -> None:
    assert verdict(eval_text).differences == ()


@pytest.mark.parametrize(
    ("eval_text", "difference"),
    [
        ('eval instant at 1m a\n  a{x="1"} 2', '+ a{x="2"} 5'),
        ('eval instant at 1m a{x="1"}\n  a{x="1"} 2\n  a{x="3"} 1', '- a{x="3"} 1'),
        ("eval instant at 1m sum(a)\n  {} 7.1", "- {} 7.1"),
        ("eval instant at 1m sum(a)\n  7", "- scalar 7"),
        ("eval instant at 1m sum(a)", "+ {} 7"),
        ("eval instant at 1m sum(a)\n  {} {{count:7}}", "- {} {{count:7}}"),
        ("eval instant at 1m sum(a)\n  expect fail", "- a failure"),
        ("eval instant at 1m a + on () a", "+ failure: "),
        ("eval instant at 1m a + on () a\n  expect fail msg: because", "- failure: because"),
        ("eval instant at 1m sum(a)\n  expect warn\n  {} 7", "- warn: any"),
        ("eval instant at 1m sum(rate(a[5m]))\n  expect no_info\n  {} 0.01", "+ info: PromQL info"),
        (
            "eval instant at 1m sum(rate(a[5m]))\n  expect info msg: PromQL info: other (1:1)\n"
            "  {} 0.01",
            "- info: PromQL info: other (1:1)",
        ),
        ('eval_ordered instant at 1m sort(a)\n  a{x="2"} 5\n  a{x="1"} 2', "the order is"),
        ("eval range from 0 to 2m step 1m sum(a)\n  {} 5 7", "+ {} 5 7 9"),
        ("eval range from 0 to 2m step 1m sum(a)\n  {} 5 _ 9", "+ {} 5 7 9"),
        ('eval instant at 1m "t"\n  expect string "u"', "- string 'u'"),
        ("eval instant at 1m a[1m]", "+ the result is a matrix"),
    ],
)
def test_what_is_wrong_fails(eval_text: str, difference: str) -> None:
    found = verdict(eval_text)

    assert not found.passed
    assert any(line.startswith(difference) for line in found.differences), found.differences


def _only_at(time_ms: int) -> Engine:
    """An engine that forgets everything unless it is asked at one time."""

    def engine(query: str, source: Source, options: QueryOptions) -> Result:
        found = evaluate(query, source, options)
        if options.start_ms == time_ms:
            return found
        nothing = np.zeros(found.values.shape, np.bool_)
        return replace(found, valid=nothing, values=np.where(nothing, found.values, 0))

    return engine


def test_a_query_that_depends_on_its_time_is_found_out() -> None:
    found = verdict("eval instant at 1m sum(a)\n  {} 7", _only_at(60_000))

    assert not found.passed
    assert "@ 60" in found.differences[0] or "range query" in found.differences[0]


def test_a_crash_is_a_failure_even_where_one_is_expected() -> None:
    def crashing(query: str, source: Source, options: QueryOptions) -> Result:
        raise KeyError(query, source, options)

    found = verdict("eval instant at 1m a\n  expect fail", crashing)

    assert "crashed" in found.differences[1]


def _histogram_at_every_step(_query: str, source: Source, options: QueryOptions) -> Result:
    found = evaluate("vector(0)", source, options)
    one = columns_of([parse_histogram("{{count:3 buckets:[1 2]}}")[0]])
    return replace(found, native=NativeCells(one, np.zeros(found.values.shape, np.int32)))


def test_native_histograms_are_compared() -> None:
    right = verdict(
        "eval instant at 1m a\n  {} {{count:3 buckets:[1 2]}}", _histogram_at_every_step
    )
    wrong = verdict(
        "eval instant at 1m a\n  {} {{count:3 buckets:[1 3]}}", _histogram_at_every_step
    )
    no_float = verdict("eval instant at 1m a\n  {} 0", _histogram_at_every_step)

    assert right.differences == ()
    assert "+ {} {{count:3 buckets:[1 2]}}" in wrong.differences
    assert not no_float.passed


def test_native_histograms_are_counted_apart() -> None:
    script = (
        "load 1m\n  h {{count:1}}\n  f 1\n\neval instant at 0 h * 2\n\n"
        "eval instant at 0 f\n  f {{count:1}}\n\neval instant at 0 f\n  f 1"
    )

    touched = [found.native for found in run_script(parse_script(script, "x.test"))]

    assert touched == [True, True, False]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("a + b @ 5", "a @ 60.000 + b @ 5.000"),
        ("rate(a[5m] offset 1m)", "rate(a[5m] @ 60.000 offset 1m)"),
        ("sum_over_time(a[5m:1m])", "sum_over_time(a[5m:1m] @ 60.000)"),
        ("sum_over_time(a[5m:1m] @ 7)", "sum_over_time(a[5m:1m] @ 7.000)"),
    ],
)
def test_pinning(query: str, expected: str) -> None:
    assert expected == format_expr(pinned(parse(query), 60_000))


def test_what_can_be_pinned() -> None:
    assert can_be_pinned(parse("sum(a)"))
    assert not can_be_pinned(parse("a + time()"))
    assert other_times(60_000) == (-600_000, 0, 12_000, 60_000, 600_000)
    assert other_times(0) == (-1000, 0, 1000)


def test_the_command_prints_diffs_a_table_and_totals(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.test", tmp_path / "bad.test"
    good.write_text(DATA + "eval instant at 1m sum(a)\n  {} 7\n")
    bad.write_text(DATA + "eval instant at 1m sum(a)\n  {} 8\n")
    out = io.StringIO()

    code = report([good, bad], out)

    lines = out.getvalue().splitlines()
    assert code == 1
    assert f"{bad}:5: eval instant at 1m sum(a)" in lines
    assert "    - {} 8" in lines
    assert lines[-1] == "1 passed, 1 failed"


def test_the_command_is_quiet_when_asked_and_0_when_all_pass(tmp_path: Path) -> None:
    good = tmp_path / "good.test"
    good.write_text(DATA + "eval instant at 1m sum(a)\n  {} 7\n")
    out = io.StringIO()

    assert report([good], out, quiet=True) == 0
    assert out.getvalue().splitlines()[-1] == "1 passed, 0 failed"


def test_a_broken_script_is_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "broken.test"
    broken.write_text("lod 1m\n")
    out = io.StringIO()

    assert report([broken], out) == 1
    assert f"{broken}:1: unknown command" in capsys.readouterr().err
    assert out.getvalue().splitlines()[-1] == "0 passed, 1 failed"
