"""Each rule: texts it speaks about and texts it leaves alone."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from novaql import tsdb
from novaql.errors import QueryError
from novaql.lint import RULES, Finding, Knowledge, Severity, lint
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.model.source import Metadata
from tests.lint.cases import SILENT, SPOKEN


def _by_rule(text: str, rule: str, known: Knowledge | None = None) -> list[Finding]:
    return [finding for finding in lint(text, known) if finding.rule == rule]


def test_every_rule_has_cases_and_a_docstring() -> None:
    assert list(SPOKEN) == list(SILENT) == list(RULES)
    assert all(rule.__doc__ for rule in RULES.values())


@pytest.mark.parametrize(("rule", "text"), [(r, t) for r, ts in SPOKEN.items() for t in ts])
def test_a_rule_speaks(rule: str, text: str) -> None:
    (found,) = _by_rule(text, rule)
    marked = text[found.column - 1 : found.column - 1 + found.length]
    assert marked in text
    assert str(found).startswith(f"1:{found.column}: {found.severity}: ")


@pytest.mark.parametrize(("rule", "text"), [(r, t) for r, ts in SILENT.items() for t in ts])
def test_a_rule_is_silent(rule: str, text: str) -> None:
    assert _by_rule(text, rule) == []


@pytest.fixture(scope="module")
def known() -> Knowledge:
    """http_requests_total (a counter) of 1 200 paths, and temperature (a gauge) of two rooms."""
    labels = [
        {"__name__": "http_requests_total", "path": f"/{i}", "job": "api"} for i in range(1200)
    ]
    labels += [{"__name__": "temperature", "room": room} for room in ("hall", "attic")]
    store = tsdb.memory()
    count = len(labels)
    store.append(
        Batch(
            SeriesTable.from_dicts(labels),
            np.arange(count),
            np.full(count, 1000),
            np.ones(count),
        )
    )
    store.set_metadata(
        {"http_requests": Metadata("counter"), "temperature": Metadata("gauge", "", "celsius")}
    )
    return Knowledge(store)


@pytest.mark.parametrize(
    ("text", "rule", "said"),
    [
        ("rate(temperature[5m])", "rate-of-gauge", "temperature is a gauge"),
        ("delta(http_requests_total[5m])", "delta-of-counter", "counter http_requests_total"),
        ('temperature{room="cellar"}', "never-matches", 'values are "attic", "hall"'),
        ("temprature", "never-matches", "there is no metric temprature"),
        ('temperature{flour="x"}', "never-matches", "there is no such label"),
        ("sum by (path) (rate(http_requests_total[5m]))", "many-groups", "1200 values"),
        ("sum by (romm) (temperature)", "labels-not-there", "did you mean room?"),
        ("scalar(temperature)", "scalar-of-many", "2 series match"),
        (
            'temperature{(room="hall" or room="attic"), room="hall"}',
            "never-matches",
            'warning: no series can match an alternative: room cannot be "attic" and "hall"',
        ),
        (
            'temperature{room="hall", (job="a" or job="b")}',
            "never-matches",
            'no series matches temperature{room="hall", job="a" or room="hall", job="b"}',
        ),
        ('x{(a="1" or a="2"), a="3"}', "never-matches", "error: no series can match: a cannot"),
        (
            'sum by (path) ({__name__="temperature" or room="hall"})',
            "labels-not-there",
            "path",
        ),
    ],
)
def test_what_the_data_tells(known: Knowledge, text: str, rule: str, said: str) -> None:
    (found,) = _by_rule(text, rule, known)
    assert said in str(found)


def test_good_queries_are_left_alone(known: Knowledge) -> None:
    for text in (
        "sum by (job) (rate(http_requests_total[5m]))",
        "max by (room) (temperature)",
        'delta(temperature{room="hall"}[1h])',
        'max by (room) ({__name__="temperature" or __name__="nobody", room="hall"})',
    ):
        assert lint(text, known) == []


@pytest.mark.parametrize(
    "made",
    [
        'label_set(temperature, "new", "a")',
        'label_copy(temperature, "room", "new")',
        'label_move(temperature, "room", "new")',
        'label_map(temperature, "new", "", "a")',
        'label_transform(temperature, "new", "^$", "a")',
        'count_values_over_time("new", temperature[5m])',
        'quantiles_over_time("new", 0.5, temperature[5m])',
        'quantiles("new", 0.5, temperature)',
        'topk_max(1, temperature, "new=other")',
        'topk_max(1, sum by (room) (temperature), "new=other")',
        'temperature * on (room) group_left (*) prefix "new" temperature',
    ],
)
def test_labels_that_a_function_makes_are_there(known: Knowledge, made: str) -> None:
    assert _by_rule(f"max by (new) ({made})", "labels-not-there", known) == []
    assert _by_rule(f"{made} * on (new) temperature", "operands-never-meet", known) == []


@pytest.mark.parametrize(
    ("made", "label"),
    [
        ("rollup(temperature[5m])", "rollup"),
        ('aggr_over_time("lag", "lifetime", temperature[5m])', "rollup"),
        ("histogram_over_time(temperature[5m])", "vmrange"),
        ("histogram(temperature)", "le"),
        ("prometheus_buckets(temperature)", "le"),
        ("prometheus_buckets(sum by (room) (temperature))", "le"),
    ],
)
def test_labels_that_a_function_names_are_there(known: Knowledge, made: str, label: str) -> None:
    assert _by_rule(f"max by ({label}) ({made})", "labels-not-there", known) == []
    assert _by_rule(f"{made} * on ({label}) temperature", "operands-never-meet", known) == []


def test_findings_are_in_the_order_of_the_text() -> None:
    found = lint('sum(x_total)\n+ rate(y_total[1s]) + z{a=~"^b"}')
    assert [(f.line, f.rule) for f in found] == [
        (1, "raw-counter"),
        (2, "short-window"),
        (2, "unanchored-hope"),
    ]
    assert found[2].severity is Severity.WARNING


def _calls_of_lint(text: str) -> int:
    count = 0

    def called(frame: object, event: str, argument: object) -> None:  # noqa: ARG001
        nonlocal count
        count += event == "call"

    lint(text)  # parses, and caches the tree
    sys.setprofile(called)
    try:
        lint(text)
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.slow
@pytest.mark.parametrize("more", [" > 1", " + sum by (a) (x)", " or x", " or vector(0)", " - x"])
def test_work_grows_with_the_length_of_a_chain_not_with_its_square(more: str) -> None:
    assert _calls_of_lint("x" + more * 600) < 2.5 * _calls_of_lint("x" + more * 300)


def test_what_is_no_query() -> None:
    with pytest.raises(QueryError):
        lint("sum(")
