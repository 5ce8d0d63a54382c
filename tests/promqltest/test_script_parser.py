"""Scripts: what is read, and how wrong ones are told."""

from __future__ import annotations

import pytest

from novaql.promqltest.problems import ScriptError
from novaql.promqltest.script import Clear, Eval, Kind, Load, MatrixTimes, TextExpectation
from novaql.promqltest.script_parser import parse_script


def commands(text: str) -> tuple[Load | Clear | Eval, ...]:
    return parse_script(text, "x.test").commands


def test_commands_in_order() -> None:
    found = commands("load 1m\n  a 1\n\n# why\nclear everything\neval instant at 1m a\n  a 1\n")

    assert [Load, Clear, Eval] == [type(command) for command in found]


def test_a_comment_ends_a_block() -> None:
    load, case = commands("load 1m\n  a 1\n# b 2\neval instant at 0 a\n  # c\n")

    assert isinstance(load, Load)
    assert isinstance(case, Eval)
    assert (len(load.series), case.expected.series) == (1, ())


def test_an_instant_eval() -> None:
    (case,) = commands('eval instant at 1m30s sum(a) # said\n  expect ordered\n  {b="c"} 4\n')

    assert isinstance(case, Eval)
    assert (case.query, case.start_ms, case.step_ms) == ("sum(a) # said", 90_000, 0)
    assert case.expected.ordered
    assert [(s.labels, s.items) for s in case.expected.series] == [((("b", "c"),), (4.0,))]


def test_a_bare_number_ends_the_block() -> None:
    case, clear = commands("eval instant at 0 1 + 1\n  2\nclear\n")

    assert isinstance(case, Eval)
    assert case.expected.scalar == 2
    assert isinstance(clear, Clear)


def test_expect_lines() -> None:
    (case,) = commands(
        "eval range from 0 to 2m step 1m a\n  expect warn msg: PromQL warning: x (1:1)\n"
        "  expect warn regex: y+\n  expect no_info\n  a 1 _ 3\n"
    )

    assert isinstance(case, Eval)
    assert (TextExpectation("PromQL warning: x (1:1)"), TextExpectation(regex="y+")) == (
        case.expected.annotations[Kind.WARN]
    )
    assert frozenset({Kind.INFO}) == case.expected.forbidden


def test_old_forms() -> None:
    failing, ordered = commands(
        "eval_fail instant at 0 a\n  expected_fail_message it is so\neval_ordered instant at 0 a\n"
    )

    assert isinstance(failing, Eval)
    assert isinstance(ordered, Eval)
    assert TextExpectation("it is so") == failing.expected.failure
    assert ordered.expected.ordered


def test_a_string_and_a_range_vector() -> None:
    text, matrix = commands(
        'eval instant at 0 "a"\n  expect string "a"\n\n'
        "eval instant at 1m a[1m]\n  expect range vector from 10s to 1m step 10s\n  a 1 2\n"
    )

    assert isinstance(text, Eval)
    assert isinstance(matrix, Eval)
    assert text.expected.text == "a"
    assert MatrixTimes(10_000, 60_000, 10_000) == matrix.expected.matrix


def test_start_timestamps_stand_before_their_series() -> None:
    (load,) = commands("load 1m\n  a@st _ -30s\n  a 1 2\n")

    assert isinstance(load, Load)
    assert load.series[0].starts_ms == (None, -30_000)


def test_a_start_line_of_no_series_is_for_all_below_that_have_none() -> None:
    (load,) = commands("load 1m\n  a 1 2\n  @st -30s _\n  b 1 2 3\n  c@st 0s 0s\n  c 1 2\n")

    assert isinstance(load, Load)
    assert [series.starts_ms for series in load.series] == [
        None,
        (-30_000, None, -30_000),
        (0, 0),
    ]


def test_a_star_repeats_the_start_before() -> None:
    (load,) = commands("load 1m\n  a@st * -1m-1mx1 _ *x1\n  a 1 2 3 4 5 6\n")

    assert isinstance(load, Load)
    assert load.series[0].starts_ms == (0, -60_000, -120_000, None, -120_000, -120_000)


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("\nnonsense", 2, "unknown command"),
        ("load", 1, "a load is written as"),
        ("load 1m\n  a 1\n  b x", 3, "is no value"),
        ('load 1m\n  a{b="c} 1', 2, "column"),
        ("load 1m\n  a@st 0 0\n  a 1", 3, "1 values, but 2 starts"),
        ("load 1m\n  a@st 0\n  b 1", 3, "another series"),
        ("load 1m\n  a@st 0", 2, "lacks its series"),
        ("eval instant at 1m sum(", 1, "the query is not valid"),
        ("eval instant at x a", 1, "is no duration"),
        ("eval instant at 5min a", 1, "is no duration"),
        ("eval instant at 1D a", 1, "is no duration"),
        ("eval range from 0 to 10m step 5min a", 1, "is no duration"),
        ("load 5min\n  a 1", 1, "is no duration"),
        ("eval range from 2m to 1m step 1m a", 1, "before the start"),
        ("eval range from 0 to 1m step 0 a", 1, "the step is 0"),
        ("eval range from 0 to 1m step 1m a\n  a 1 2 3", 2, "has 2 steps"),
        ("eval range from 0 to 1m step 1m a\n  4", 2, "instant queries only"),
        ("eval instant at 0 a\n  a 1 2", 2, "one value per series"),
        ("eval instant at 0 a\n  a 1\n  a 1", 3, "expected twice"),
        ("eval instant at 0 a\n  expect wonder", 2, "cannot expect"),
        ("eval instant at 0 a\n  expect warn regex: (", 2, "no regular expression"),
        ("eval instant at 0 a\n  expect fail\n  expect fail", 3, "twice"),
        ("eval instant at 0 a\n  expect warn\n  expect no_warn", 1, "contradict"),
    ],
)
def test_wrong_scripts_are_told_with_their_line(text: str, line: int, reason: str) -> None:
    with pytest.raises(ScriptError, match=reason) as caught:
        commands(text)

    assert ("x.test", line) == (caught.value.file, caught.value.line)
