"""Why a query is empty: an example of each reason."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from novaql import frame, query, tsdb, why_empty
from novaql.cli.main import run
from novaql.diagnosis import Cause, Reason
from novaql.diagnosis.nearest import nearest
from novaql.errors import QueryError
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.samples import Batch

MINUTES = 10


@pytest.fixture(scope="module")
def store() -> tsdb.Database:
    """A sample a minute, 0 to 9, from 0 s to 540 s."""
    labels = [
        {"__name__": "http_requests_total", "job": job, "code": code}
        for job in ("api", "web")
        for code in ("200", "500")
    ]
    labels += [
        {"__name__": "up", "job": "api", "instance": "a"},
        {"__name__": "pods", "pod": "x"},
    ]
    store, count = tsdb.memory(), len(labels)
    store.append(
        Batch(
            SeriesTable.from_dicts(labels),
            np.repeat(np.arange(count), MINUTES),
            np.tile(np.arange(MINUTES) * 60_000, count),
            np.tile(np.arange(MINUTES, dtype=np.float64), count),
        )
    )
    return store


def _causes(store: tsdb.Database, text: str, time: float = 500) -> tuple[Cause, ...]:
    found = why_empty(text, store, time=time)
    assert found.empty
    assert found.complete
    assert len(query(text, store, time=time)) == 0
    for cause in found.causes:
        assert cause.part == text[cause.start : cause.end]
    return found.causes


@pytest.mark.parametrize(
    ("text", "reason", "part", "said"),
    [
        ("sum(rate(http_request_total[5m]))", Reason.METRIC, "http_request_total[5m]", "no metric"),
        ('rate(up{job="apj"}[5m])', Reason.MATCHER, 'up{job="apj"}[5m]', 'values are "api"'),
        ('up{jub="api"}', Reason.MATCHER, 'up{jub="api"}', "none has the label jub"),
        ('up{job="x" or job="y"}', Reason.MATCHER, 'up{job="x" or job="y"}', "alternatives"),
        ('up{job=~"b.*",pod="x"}', Reason.MATCHER, 'up{job=~"b.*",pod="x"}', "removes all"),
        ("up offset 1d", Reason.RANGE, "up offset 1d", "from 1970-01-01T00:00:00Z to 1970"),
        ("sum(up offset 1d) + 1", Reason.RANGE, "up offset 1d", "no samples between"),
        ("sum(up) offset 1d", Reason.RANGE, "up", "no samples between 1969-12-31"),
        ("rate(up[30s])", Reason.SAMPLES, "rate(up[30s])", "none has more than 1"),
        ("lifetime(up[30s])", Reason.SAMPLES, "lifetime(up[30s])", "none has more than 1"),
        ("rollup_rate(up[30s])", Reason.SAMPLES, "rollup_rate(up[30s])", "none has more than 1"),
        ("up > 100", Reason.COMPARISON, "up > 100", "between 8 and 8"),
        ("avg(up == (77, 78))", Reason.COMPARISON, "up == (77, 78)", "one of the constants"),
        ("avg_over_time(up[5m] > 9)", Reason.COMPARISON, "up[5m] > 9", "no value satisfies >"),
        ("up > on (job) (up * 2)", Reason.COMPARISON, "up > on (job) (up * 2)", "no value"),
        ("up unless up", Reason.EXCLUDED, "up unless up", "have a partner"),
        ("absent(up)", Reason.FUNCTION, "absent(up)", "where there is data"),
        ("topk(0, up)", Reason.FUNCTION, "topk(0, up)", "topk has no result"),
        ("histogram_quantile(0.9, up)", Reason.FUNCTION, "histogram_quantile(0.9, up)", "label le"),
        ("max_over_time(sum(upp)[5m:1m])", Reason.METRIC, "upp", "no metric"),
        ("rate(sum(upp))", Reason.METRIC, "upp", "no metric upp"),
        ("max_over_time(sum(upp)[auto:1m])", Reason.METRIC, "upp", "no metric upp"),
        ("let r = rate(upp[5m]) in sum(r) / r", Reason.METRIC, "upp[5m]", "no metric upp"),
        ("upp if up", Reason.METRIC, "upp", "no metric upp"),
        ("upp |> rate |> sum by (job)", Reason.METRIC, "upp", "no metric upp"),
        ("increase(upp[5m] anchored)", Reason.METRIC, "upp[5m] anchored", "no metric upp"),
        ("rate(up[5m] smoothed offset 1d)", Reason.RANGE, "up[5m] smoothed offset 1d", "between"),
        (
            "sum(delta(up[2m] smoothed)) > 50",
            Reason.COMPARISON,
            "sum(delta(up[2m] smoothed)) > 50",
            "between 2 and 2",
        ),
        (
            "changes((up[5m] anchored)) == 9",
            Reason.COMPARISON,
            "changes((up[5m] anchored)) == 9",
            "between",
        ),
        (
            "let w = upp[5m] anchored in increase(w) offset 1m",
            Reason.METRIC,
            "upp[5m] anchored",
            "no metric upp",
        ),
    ],
)
def test_the_first_part_without_data(
    store: tsdb.Database, text: str, reason: Reason, part: str, said: str
) -> None:
    (cause,) = _causes(store, text)
    assert (cause.reason, cause.part) == (reason, part)
    assert said in cause.message


def test_the_nearest_names(store: tsdb.Database) -> None:
    (metric,) = _causes(store, "http_request_total")
    assert metric.suggestions == ("http_requests_total",)
    (label,) = _causes(store, 'http_requests_total{jib="api"}')
    assert label.suggestions == ("job",)
    (value,) = _causes(store, 'http_requests_total{job="apj"}')
    assert value.suggestions == ('job="api"',)


def test_both_sides_of_a_join(store: tsdb.Database) -> None:
    (cause,) = _causes(store, "up * on (job) group_left () pods")
    assert cause.reason is Reason.JOIN
    assert (cause.left, cause.right) == (({"job": "api"},), ({},))
    (renamed,) = _causes(store, "up * on (job=pod) pods")
    assert (renamed.left, renamed.right) == (({"job": "api"},), ({"pod": "x"},))
    (all_labels,) = _causes(store, "up and pods")
    assert all_labels.left == ({"instance": "a", "job": "api"},)


def test_the_range_of_the_data(store: tsdb.Database) -> None:
    (cause,) = _causes(store, "up", time=5000)
    assert cause.data_range == (0.0, 540.0)
    table = frame(pd.DataFrame({"time": [10.0, 20.0], "value": [1.0, 2.0]}), name="heat")
    (of_table,) = why_empty("heat", table, time=5000).causes
    assert of_table.data_range == (10.0, 20.0)


def test_every_side_of_or_and_default(store: tsdb.Database) -> None:
    first, second = _causes(store, "upp or pods > 100")
    assert (first.reason, second.reason) == (Reason.METRIC, Reason.COMPARISON)


def test_a_query_with_a_result(store: tsdb.Database) -> None:
    found = why_empty("up", store, time=500)
    assert (found.empty, found.causes, str(found)) == (False, (), "the query has a result")
    assert not why_empty("1 + 1", store).empty
    over_a_range = why_empty("up", store, start=1000, end=3000, step=60)
    assert [cause.reason for cause in over_a_range.causes] == [Reason.RANGE]


@pytest.mark.slow
def test_the_work_is_bounded(store: tsdb.Database) -> None:
    found = why_empty(" or ".join(f"sum(up > {100 + n})" for n in range(2000)), store, time=500)
    assert (found.empty, found.complete, found.causes) == (True, False, ())


def test_what_is_no_query(store: tsdb.Database) -> None:
    with pytest.raises(QueryError):
        why_empty("sum(", store)


def test_nearest_of_many() -> None:
    names = [f"name_{n:05d}" for n in range(5000)]
    assert nearest("nme_04321", names, 1) == ("name_04321",)
    assert nearest("zzzz", names) == ()


def test_in_a_shell(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.prom"
    page.write_text('heat{room="hall"} 20 1000\n')
    asked = ["why-empty", 'heat{room="hal"}', "--data", str(page), "--time", "1"]
    assert run(asked) == 1
    assert 'did you mean room="hall"?' in capfd.readouterr().out
    assert run([*asked, "--format", "json"]) == 1
    (cause,) = json.loads(capfd.readouterr().out)["causes"]
    assert (cause["reason"], cause["suggestions"]) == ("matcher", ['room="hall"'])
    assert run(["why-empty", "heat", "--data", str(page), "--time", "1"]) == 0


@pytest.mark.usefixtures("soon")
def test_nearest_of_long_names() -> None:
    names = ["ab" * 30_000 + str(number) for number in range(50)]
    assert nearest("ab" * 30_000, names, 1) == (names[0],)
