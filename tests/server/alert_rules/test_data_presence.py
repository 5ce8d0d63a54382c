"""Which expressions have data, though their results are empty: the policy `no_data`."""

from __future__ import annotations

import pytest

from novaql import Result, query
from novaql.inputs.tables.table_source import TableSource
from novaql.server.alert_rules.data_presence import has_data
from tests.support.generators.random_samples import batch_of
from tests.support.servers.alert_rig import AlertRig

MINUTE_MS = 60_000
HOUR = [(minute * MINUTE_MS, float(minute)) for minute in range(60)]
SOURCE = TableSource(
    batch_of(
        [
            ({"__name__": "old", "job": "a"}, HOUR[:20]),
            ({"__name__": "now_total", "job": "a"}, HOUR),
            ({"__name__": "other", "cluster": "c"}, HOUR),
        ]
    )
)


def at(text: str) -> Result:
    return query(text, SOURCE, time=59 * 60)


@pytest.mark.parametrize(
    "expr",
    [
        "now_total > 100",
        "increase(now_total[5m] anchored) > 100",
        "rate(now_total[5m] smoothed) > 100",
        "now_total smoothed > 100",
        "rate(now_total) > 100",
        "max_over_time(old[1h]) > 100",
        "max_over_time(old[1h:1m]) > 100",
        "max_over_time(sum(old)[1h:1m]) > 100",
        "max_over_time(rate(old[5m])[1h:1m] offset 5m) > 100",
        "max_over_time(old[5m:1m] offset 50m) > 100",
        "sum(old) offset 50m > 100",
        "(old + 1) @ 600 > 100",
        "sum(rate(old[5m])) offset 50m > 100",
        "let w = old[5m] in max_over_time(w offset 50m) > 100",
        "1 > 2",
        "nobody > 1 or now_total > 100",
        " + ".join(["nobody"] * 1000) + " + now_total",
    ],
)
def test_has_data(expr: str) -> None:
    assert not len(at(expr))
    assert has_data(expr, at)


@pytest.mark.parametrize(
    "expr",
    [
        "old > 100",
        "max_over_time(old[5m:1m]) > 100",
        "sum(now_total) offset 2h > 100",
        "now_total @ -60 > 100",
        "increase(old[5m] anchored) > 100",
        'info(old, {cluster=~".+"}) > 100',
        "nobody",
    ],
)
def test_has_no_data(expr: str) -> None:
    assert not len(at(expr))
    assert not has_data(expr, at)


@pytest.mark.parametrize(
    ("expr", "states"),
    [
        ("increase(up[5m] anchored) > 100", {}),
        ("max_over_time(nobody[5m] anchored) > 100", {}),
        ("increase(nobody[5m] anchored) > 100", {"": "firing"}),
    ],
)
def test_a_rule_with_exact_ends_has_a_policy(
    one: AlertRig, expr: str, states: dict[str, str]
) -> None:
    rule = one.rule(expr=expr, no_data="alerting")
    one.now(a=0.0)
    one.step(a=1.0)

    assert one.states() == states
    shown = one.get(f"/v1/alert-rules/{rule['id']}")
    assert (shown["last_error"] is None) == ("max_over_time" not in expr)
