"""Each rule: texts it speaks about and texts it leaves alone."""

from __future__ import annotations

import numpy as np
import pytest

from novaql import tsdb
from novaql.errors import QueryError
from novaql.lint import RULES, Finding, Knowledge, Severity, lint
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.model.source import Metadata

SPOKEN = {
    "rate-of-gauge": [],
    "delta-of-counter": ["delta(x_total[5m])", "deriv((x_total[5m]))", "idelta(x_total[1m])"],
    "rate-of-sum": ["rate(sum(x_total)[5m:])", "increase((sum by (a) (x_total))[1h:1m])"],
    "raw-counter": ["sum(x_total)", "avg by (a) ((x_total))"],
    "short-window": ["rate(x_total[20s])", "delta(x[1s])"],
    "missing-le": [
        "histogram_quantile(0.9, sum(rate(x_bucket[5m])))",
        "histogram_quantile(0.9, sum by (job) (rate(x_bucket[5m])))",
        "histogram_quantile(0.9, sum without (le) (rate(x_bucket[5m])))",
        "histogram_fraction(0, 1, sum(rate(x_bucket[5m])))",
    ],
    "quantile-of-averages": [
        "avg(histogram_quantile(0.9, x_bucket))",
        "histogram_quantile(0.9, max by (le) (rate(x_bucket[5m])))",
    ],
    "quantile-since-start": [
        "histogram_quantile(0.9, x_bucket)",
        "histogram_quantile(0.9, sum by (le) (x_bucket))",
    ],
    "unanchored-hope": ['x{a=~"^api"}', 'x{a=~"api"}', 'x{a!~"api$"}', 'x{a=~"^api$"}'],
    "never-matches": ['x{a="1", a="2"}', 'x{a="1", a!="1"}', 'x{a="1", a=~"2.*"}'],
    "selects-everything": ['{a=~".+"}', '{a!=""}', '{__name__=~".+"}'],
    "operands-never-meet": [
        "sum by (a) (x) / sum by (b) (y)",
        "sum by (a, b) (x) / sum by (a) (y)",
        "sum by (a) (x) and sum(y)",
        "sum by (a) (x) / on (b) sum by (b) (y)",
        "x / ignoring (c) y + sum by (a) (x) / ignoring (c) sum(y)",
    ],
    "many-groups": ["sum by (user_id) (x)", 'count_values("v", x)'],
    "labels-not-there": [],
    "useless-matcher": ['x{a=~".*"}', 'x{a="1" or b=~".*"}'],
    "impossible-comparison": [
        "rate(x[5m]) < 0",
        "0 > count(x)",
        "x > 3 < 2",
        "x == 1 == 2",
        "x > 2 < 2",
        "sum(increase(x[5m])) < -1",
    ],
    "count-of-bool": ["count(x == bool 1)", "x > bool 1 |> count by (a)"],
    "share-out-of-range": ["quantile(95, x)", "histogram_quantile(-1, x)", "burn_rate(x, 99.9)"],
    "never-absent": ["absent(vector(0))", "absent(x or vector(0))", "absent((x default 0))"],
    "many-steps": ["max_over_time(x[60d:1s])"],
    "unused-name": [
        "let a = x, b = y in a",
        "let f(a, b) = a in f(x, y)",
        "let w = 5m, v = 1m in rate(x[w])",
    ],
    "not-buckets": ["histogram_quantile(0.9, rate(x_sum[5m]))", "histogram_share(1, x_total)"],
}

SILENT = {
    "rate-of-gauge": ["rate(x_total[5m])", "rate(x[5m])", 'rate({a="b"}[5m])'],
    "delta-of-counter": ["delta(x[5m])", "rate(x_total[5m])"],
    "rate-of-sum": ["sum(rate(x_total[5m]))", "max_over_time(sum(x)[5m:])", "rate(x[5m:1m])"],
    "raw-counter": [
        "count(sum by (a) (x_total))",
        "sum(rate(x_total[5m]))",
        "sum(x)",
        "count(x_total)",
        "max(x_total)",
    ],
    "short-window": ["rate(x_total[30s])", "rate(x_total[5m])", "max_over_time(x[1s])"],
    "missing-le": [
        "histogram_quantile(0.9, sum by (le) (rate(x_bucket[5m])))",
        "histogram_quantile(0.9, sum without (pod) (rate(x_bucket[5m])))",
        "histogram_quantile(0.9, sum(rate(native[5m])))",
        "histogram_quantile(0.9, prometheus_buckets(sum by (vmrange) (rate(x_bucket[5m]))))",
    ],
    "quantile-of-averages": ["histogram_quantile(0.9, sum by (le) (x_bucket))", "avg(x)"],
    "quantile-since-start": ["histogram_quantile(0.9, rate(x_bucket[5m]))"],
    "unanchored-hope": ['x{a=~"api.*"}', 'x{a=~"a|b"}', 'x{a="^api"}', 'x{a=~""}'],
    "never-matches": ['x{a="1", b="2"}', 'x{a="1", a="1"}', 'x{a!="1", a!="2"}'],
    "selects-everything": ["x", '{a="b"}', '{a=~"b.+"}', 'x{a=~".+"}'],
    "operands-never-meet": [
        "sum by (a) (x) / sum by (a) (y)",
        "sum by (a) (x) / on () group_left () sum(y)",
        "sum by (a) (x) / ignoring (a) group_left () sum(y)",
        "sum by (a) (x) / ignoring (a, b) sum by (b) (y)",
        "sum by (a) (x) or sum by (b) (y)",
        "sum by (a) (x) unless sum by (b) (y)",
        "sum by (a) (x) / 2",
        "sum by (a) (x) + fill (0) sum by (b) (y)",
        'sum by (a) (x) / label_replace(sum by (b) (y), "a", "$1", "b", "(.*)")',
        "topk(3, sum by (a) (x)) / sum by (a) (y)",
    ],
    "many-groups": [
        'count_values("v", config_hash)',
        "sum by (job) (x)",
        "sum without (user_id) (x)",
    ],
    "labels-not-there": ["sum by (anything) (x)"],
    "useless-matcher": ['x{a=~".+"}', 'x{a=~"b.*"}', 'x{a!~".*"}'],
    "impossible-comparison": [
        "rate(x[5m]) > 0",
        "delta(x[5m]) < 0",
        "rate(x[5m]) <= 0",
        "x > 2 < 3",
        "x >= 2 <= 2",
        "x < bool 0",
        "x != 0 > 0",
        "sum(x) < 0",
        "count(x) < y",
    ],
    "count-of-bool": ["count(x == 1)", "sum(x == bool 1)", "count(x)"],
    "share-out-of-range": ["quantile(0.95, x)", "quantile(1, x)", "topk(5, x)"],
    "never-absent": ["absent(x)", "absent(x or y)", "absent(x default y)"],
    "many-steps": ["max_over_time(x[60d:1m])", "max_over_time(x[1h:1s])", "max_over_time(x[60d])"],
    "unused-name": [
        "let a = x, b = a in b",
        "let f(a) = a + 1 in f(x)",
        "let w = 5m in rate(x[w])",
        'with (f = {a="1"}) x{f}',
    ],
    "not-buckets": [
        "histogram_quantile(0.9, rate(x_bucket[5m]))",
        "histogram_quantile(0.9, rate(x[5m]))",
        "rate(x_sum[5m]) / rate(x_count[5m])",
    ],
}


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
    ):
        assert lint(text, known) == []


def test_findings_are_in_the_order_of_the_text() -> None:
    found = lint('sum(x_total)\n+ rate(y_total[1s]) + z{a=~"^b"}')
    assert [(f.line, f.rule) for f in found] == [
        (1, "raw-counter"),
        (2, "short-window"),
        (2, "unanchored-hope"),
    ]
    assert found[2].severity is Severity.WARNING


def test_what_is_no_query() -> None:
    with pytest.raises(QueryError):
        lint("sum(")
