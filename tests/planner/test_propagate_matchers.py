"""Matchers of one side limit the other side, where that hides nothing."""

from __future__ import annotations

import pytest

from novaql.language import parse
from novaql.options import QueryOptions
from novaql.planner import build_plan
from novaql.planner.logical import Plan
from novaql.planner.optimizer import of_floats
from novaql.planner.rules.propagate_matchers import propagate_matchers
from novaql.planner.rules.sort_matchers import sort_matchers


def plan_of(text: str) -> Plan:
    return of_floats(build_plan(parse(text), text, QueryOptions(0, 600_000, 60_000)))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('a{x="1"} + b', 'a{x="1"} + b{x="1"}'),
        ('a + b{x="1"}', 'a{x="1"} + b{x="1"}'),
        ('a{x="1"} + b + c{y=~"2|3"}',
         'a{x="1"} + b{x="1"} + c{y=~"2|3",x="1"}'),
        ('a{x="1"} and b', 'a{x="1"} and b{x="1"}'),
        ('a and b{x="1"}', 'a{x="1"} and b{x="1"}'),
        ('a{x="1"} unless b', 'a{x="1"} unless b{x="1"}'),
        ('rate(a_total{x="1"}[5m]) > rate(b_total[1m])',
         'rate(a_total{x="1"}[5m]) > rate(b_total{x="1"}[1m])'),
        ('a{x="1",y="2"} / on (x) group_left sum by (x) (b)',
         'a{x="1",y="2"} / on (x) group_left sum by (x) (b{x="1"})'),
        ('a / on (x) group_left sum by (x) (b{x="1",y="2"})',
         'a{x="1"} / on (x) group_left sum by (x) (b{x="1",y="2"})'),
        ('sum by (x) (a) * on (x) group_right b{x="1"}',
         'sum by (x) (a{x="1"}) * on (x) group_right b{x="1"}'),
        ('a{x="1",y="2"} / ignoring (y) group_left sum without (y) (b)',
         'a{x="1",y="2"} / ignoring (y) group_left sum without (y) (b{x="1"})'),
        ('abs(a{x="1"}) * 2 > -b', 'abs(a{x="1"}) * 2 > -b{x="1"}'),
        ('a{x="1"} offset 5m + b', 'a{x="1"} offset 5m + b{x="1"}'),
    ],
)  # fmt: skip
def test_the_other_side_is_limited(before: str, after: str) -> None:
    assert sort_matchers(propagate_matchers(plan_of(before))) == sort_matchers(plan_of(after))


@pytest.mark.parametrize(
    "text",
    [
        'a{x="1"} or b',  # the rest of b is part of the answer
        'a unless b{x="1"}',
        'a{x="1"} + fill (0) b',  # partners are made up
        'a{x="1"} + ignoring (x) b',
        'a{x="1"} + on (y) sum by (y) (b)',
        'a{x="1"} + on (x) b',  # two series of b with one x are an error, whichever x it is
        'a{x="1"} + {__name__=~"b|c"}',  # likewise: b and c may have equal labels
        'a{x="1"} + on (x) sum by (x, y) (b)',
        'a{x!="1"} + b',  # not worth it
        'a{x="1"} + topk(3, b)',  # the three of all
        'a{x="1"} + sum(b)',
        'a{x="1"} + on (x) group_left sum by (x) (label_replace(b, "x", "1", "", ""))',
        'a{x="1"} + absent(b)',
        'rate(a_total{x="1"}[5m]) + rate(gauge[5m])',  # told: its name is no counter's
        'a{x="1"} + quantile_over_time(2, b[5m])',  # told: no quantile
        'a{x="1"} + (b and c)',
        'sum by (y) (a{x="1"}) + sum by (y) (b)',
    ],
)
def test_what_could_be_noticed_stays(text: str) -> None:
    assert propagate_matchers(plan_of(text)) == plan_of(text)


@pytest.mark.parametrize(
    ("text", "quiet"),
    [
        ('a{x="1"} + b', True),
        ('a{x="1"} + abs(b)', True),
        ('a{x="1"} + last_over_time(b[5m])', True),
        ('sum by (x) (a{x="1"}) / count by (x) (b)', True),
        ('sum by (x) (a{x="1"}) / sum by (x) (b)', False),
        ('count by (x) (a{x="1"}) / max by (x) (b)', False),
        ('a{x="1"} + max_over_time(b[5m])', False),
        ('a{x="1"} + (b - 1)', False),
    ],
)
def test_what_could_tell_of_histograms_is_read_whole_if_there_may_be_some(
    text: str, quiet: bool
) -> None:
    plan = build_plan(parse(text), text, QueryOptions(0, 600_000, 60_000))

    assert (propagate_matchers(plan) != plan) is quiet
    assert propagate_matchers(of_floats(plan)) != of_floats(plan)
