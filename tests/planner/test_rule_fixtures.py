"""Each rule: the plan before and after, as text, and the answer with and without the rules."""

from __future__ import annotations

from itertools import groupby

import pytest

from novaql import evaluate
from novaql.errors import NovaqlError
from novaql.planner.rules import RULES, Rule
from novaql.planner.show import show
from novaql.promqltest.runner import cases as evals
from novaql.promqltest.script_parser import parse_script
from novaql.tsdb.model.source import Source
from tests.planner.rule_fixtures import FIXTURES, OPTIONS, UNCHANGED, Case, path_of, read, written

CASES = [case for rule in RULES for case in read(rule)]
each_case = pytest.mark.parametrize(
    "case", CASES, ids=lambda case: f"{case.rule.__name__}:{case.line}"
)
each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)

FLOATS = """
load 1m
  {name}{{x="1",y="2",a="1",b="x",job="p"}} 0+{step}x12
  {name}{{x="2",y="3",a="2",b="x",job="q"}} 5 1 _ 4 8 stale 2 3x5
  {name}{{x="2",y="2",b="y",job="q"}} -1 0 0 NaN 6 7 8x6
"""
HISTOGRAMS = """
load 1m
  {name}{{x="3",y="2",job="r"}} {{{{schema:0 sum:5 count:4 buckets:[1 2 1]}}}}x12
"""
NAMES = ("a", "b", "c", "m", "n", "x", "gauge", "a_total", "b_total", "m_total")


def source(*loads: str) -> Source:
    """Three series, and one with histograms where `loads` has them, for each name of the cases."""
    texts = [
        load.format(name=name, step=step)
        for step, name in enumerate(NAMES, start=1)
        for load in loads
    ]
    script = parse_script("\n".join([*texts, "eval instant at 0 1", "  1"]), "cases")
    ((_, storage),) = evals(script)
    return storage.source()


@pytest.fixture(scope="module")
def sources() -> dict[bool, Source]:
    """By whether there are histograms."""
    return {False: source(FLOATS), True: source(FLOATS, HISTOGRAMS)}


@each_case
def test_the_plan_before_and_after(case: Case) -> None:
    before = case.plan()

    after = case.rule(before)

    assert show(before) == case.before
    assert (after == before) is not case.applies
    assert (show(after) if after != before else UNCHANGED) == case.after


@each_case
def test_the_answer_does_not_change(case: Case, sources: dict[bool, Source]) -> None:
    data = sources[case.histograms]

    assert answer(case, data, optimizer=True) == answer(case, data, optimizer=False)


def answer(case: Case, data: Source, *, optimizer: bool) -> tuple[str, ...]:
    """The result and its annotations, or the error."""
    try:
        found = evaluate(case.query, data, OPTIONS, optimizer=optimizer)
    except NovaqlError as error:
        return (str(error),)
    return (found.json(), *sorted(found.warnings), *sorted(found.infos))


@each_rule
def test_a_rule_has_cases_of_both_kinds(rule: Rule) -> None:
    found = read(rule)

    assert sum(case.applies for case in found) >= 2
    assert not all(case.applies for case in found)
    assert all(case.reason for case in found)
    for _, alike in groupby(found, key=lambda case: case.reason):
        assert len({case.applies for case in alike}) == 1, "a comment speaks of one kind of case"


@each_rule
def test_a_fixture_is_written_as_it_is_read(rule: Rule) -> None:
    assert written(read(rule)) == path_of(rule).read_text(encoding="utf-8")


def test_every_fixture_belongs_to_a_rule() -> None:
    assert {path.stem for path in FIXTURES.iterdir()} == {rule.__name__ for rule in RULES}


def test_the_answers_that_are_compared_have_rows(sources: dict[bool, Source]) -> None:
    answers = [answer(case, sources[case.histograms], optimizer=True) for case in CASES]

    assert sum('"values"' in json for json, *_ in answers) > len(CASES) / 2
