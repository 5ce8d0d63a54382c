"""Aggregations that take in tiles, and the labels that their selectors read."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from novaql import QueryOptions, evaluate
from novaql.evaluator.kernels.bindings import ROLLUPS
from novaql.evaluator.operators.transform import ELEMENTWISE
from novaql.inputs.tables.table_source import TableSource
from novaql.language import parse
from novaql.language.signatures import FUNCTIONS
from novaql.language.value_types import ValueType
from novaql.options import NameRemoval
from novaql.planner import build_plan, optimize
from novaql.planner.label_flow import CELL_BY_CELL
from novaql.planner.logical import Plan, show
from novaql.planner.optimizer import of_floats
from novaql.planner.rules.project_labels import project_labels
from novaql.planner.rules.push_down_aggregations import push_down_aggregations
from novaql.tsdb.model.matchers import Matcher
from novaql.tsdb.model.source import NO_HINTS, Hints, Selection
from tests.support.generators.random_samples import START_MS, Fleet, batch_of, random_fleet

OPTIONS = QueryOptions(0, 600_000, 60_000)


def plan_of(text: str) -> Plan:
    return of_floats(build_plan(parse(text), text, OPTIONS))


@pytest.mark.parametrize(
    ("text", "pushed"),
    [
        ("sum by (job) (rate(m[5m]))", True),
        ("max(m)", True),
        ("count(abs(-m) * 2 > 1)", True),
        ("sum(timestamp(m))", True),
        ("sum(3 - last_over_time(m[5m]))", True),
        ("topk(1, m)", False),  # it needs all rows at once
        ("quantile(0.5, m)", False),
        ("sum(m + on (job) n)", False),
        ("sum(max_over_time(m[5m:1m]))", False),
        ("sum(absent_over_time(m[5m]))", False),
        ("sum(sort(m))", False),
        ("sum(m >/ 3)", False),
    ],
)
def test_push_down_aggregations(text: str, pushed: bool) -> None:
    before = plan_of(text)
    after = push_down_aggregations(before)

    assert "by_tile" not in show(before)
    assert ("by_tile" in show(after).splitlines()[0]) is pushed
    assert (after == before) is not pushed


def test_what_is_a_whole_anyway_is_not_folded() -> None:
    shown = show(optimize(plan_of("m / on () group_left () sum(m)"), floats_only=True))

    assert shown.count("Shared") == 2
    assert "by_tile" not in shown


def test_the_planner_and_the_evaluator_speak_of_the_same_functions() -> None:
    of_ranges = {
        name for name, signature in FUNCTIONS.items() if ValueType.MATRIX in signature.arguments
    }

    assert of_ranges - {"absent_over_time"} == set(ROLLUPS)
    assert CELL_BY_CELL == ELEMENTWISE


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("sum by (job) (rate(m[5m]))", ["(__name__, job)"]),
        ("sum(m)", ["(__name__)"]),
        ("sum by (job) (m * scalar(n))", ["(__name__, job)", None]),
        ("sum without (job) (m)", [None]),
        ("m", [None]),
        ("topk(1, sum by (a, b) (m))", ["(__name__, a, b)"]),
        # Equal matchers are one selection, and read what any of them wants.
        ("sum by (a) (rate(m[5m])) / sum by (a) (m)", ["(__name__, a)"] * 2),
        ("sum by (a) (m) / on (a) sum by (b, a) (rate(m[1m]))", ["(__name__, a, b)"] * 2),
        ("sum by (a) (rate(m[5m])) / on (a) rate(m[5m] offset 1m)", [None, None]),
    ],
)
def test_project_labels(text: str, labels: list[str | None]) -> None:
    pushed = push_down_aggregations(plan_of(text))
    lines = [line for line in show(project_labels(pushed)).splitlines() if "Select" in line]

    assert labels == [line.partition("labels=")[2] or None for line in lines]
    assert "Select" in show(pushed)
    assert " labels=(__" not in show(pushed)


def test_histograms_are_told_apart_by_all_labels() -> None:
    text = "sum by (job) (rate(m[5m]))"
    pushed = push_down_aggregations(build_plan(parse(text), text, OPTIONS))

    assert project_labels(pushed) == pushed


class _Watched(TableSource):
    """Notes the labels of what it was asked for."""

    asked: list[frozenset[str] | None]
    given: list[set[str]]

    def select(
        self,
        matchers: Sequence[Matcher],
        start_ms: int,
        end_ms: int,
        hints: Hints = NO_HINTS,
    ) -> Selection:
        found = super().select(matchers, start_ms, end_ms, hints)
        self.asked.append(hints.labels)
        self.given.append(set(found.series.columns))
        return found


@pytest.mark.parametrize(
    ("text", "eager", "wanted"),
    [
        ("sum by (job) (rate(requests_total[5m]))", False, frozenset({"__name__", "job"})),
        ("sum by (job) (rate(requests_total[5m]))", True, None),  # names may make rows equal
        ("rate(requests_total[5m])", False, None),
    ],
)
def test_sources_are_told(text: str, eager: bool, wanted: frozenset[str] | None) -> None:
    source = _Watched(batch_of(random_fleet(random.Random(3), Fleet())))
    source.asked, source.given = [], []
    removal = NameRemoval.EAGER if eager else NameRemoval.DELAYED
    start = START_MS + 900_000
    options = QueryOptions(start, start + 600_000, 60_000, name_removal=removal)
    found = evaluate(text, source, options)
    plain = evaluate(text, source, options, optimizer=False)

    assert source.asked[0] == wanted
    if wanted is not None:
        assert source.given[0] <= wanted
    assert found.series.dicts() == plain.series.dicts()
    assert found.values.tolist() == plain.values.tolist()
