"""Queries of public dashboards, pasted unchanged, give what a running VictoriaMetrics gives.

What is known to differ, beside the list in `test_rollups_equal_victoria.py`:

- `REFUSED`: a range vector in the place of an instant vector. VictoriaMetrics takes the last
  samples, and has options to log and to refuse such queries.
- `changes` counts from the sample before the window: this engine is asked with a window that is
  longer by one interval.
- `max_over_time`, `avg_over_time`, `clamp_max` and `clamp_min` retain the metric name: this engine
  is asked with `keep_metric_names`.
- `histogram_quantile` reads buckets of `vmrange`: this engine is asked with `prometheus_buckets`
  around them, since in PromQL series without `le` have no quantile.
- NaN is no value: it is removed from the answers of this engine.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml

import novaql
from novaql import NovaqlError, tsdb
from novaql.language import format_expr, parse
from novaql.tsdb import Batch
from novaql.tsdb.model.labels import SeriesTable
from tests.support.generators.dashboard_series import INTERVAL_S, Series, series_of
from tests.support.programs.query_answers import (
    Answer,
    answer_of_result,
    disagreement,
    without_nan,
)
from tests.support.programs.victoria_program import ask_victoria, running_victoria, send_series

FOLDER = Path(__file__).parent / "dashboards"
DASHBOARDS = sorted(path.stem for path in FOLDER.glob("*.yaml"))

FIRST_S = 1_700_000_040
"""A whole minute."""
STEP_S = 60
LAST_S = FIRST_S + 10 * STEP_S

VARIABLES = {
    "__interval": f"{STEP_S}s",
    "__rate_interval": f"{STEP_S + INTERVAL_S}s",
    "__range": f"{LAST_S - FIRST_S}s",
    "job": "(alpha|beta)",
    "job_insert": "(alpha|beta)",
    "job_select": "beta",
    "job_storage": "alpha",
    "topk": "5",
    "containers": "(a|b)",
    "containers_selector": ".*(vlogs|elastic).*",
    "cluster": "beta",
    "dc_instance": "a:1",
}
"""What Grafana puts in the place of variables; of the others it puts `.*`, their "All"."""

NAMES_STAY = (r"(?:max|avg)_over_time\([^\[]*\[\w+\]\)", r"clamp_max\([^()]*\)", r"clamp_min\(.*\)")
"""Calls whose results retain the metric name in VictoriaMetrics."""

REFUSED = {
    'sum(container_memory_rss{name=~"$containers"}[5m]) by (name)',
    'sum(node_disk_usage_bytes{path=~"$containers_selector"}[5m]) by (path)',
    'sum(increase(vm_backup_errors_total{job=~"$job", instance=~"$instance"})[$__interval]) '
    "by (instance) > 0",
    'sum(increase(vm_retention_errors_total{job=~"$job", instance=~"$instance"})[$__interval]) '
    "by (instance) > 0",
}


def queries_of(dashboard: str) -> list[str]:
    found: list[str] = yaml.safe_load((FOLDER / f"{dashboard}.yaml").read_text())["queries"]
    return found


def pasted(query: str) -> str:
    """The query as Grafana sends it."""
    return re.sub(r"\$([a-z_]\w*)", lambda name: VARIABLES.get(name[1], ".*"), query)


ACCEPTED = {
    dashboard: [pasted(query) for query in queries_of(dashboard) if query not in REFUSED]
    for dashboard in DASHBOARDS
}


@pytest.mark.parametrize("dashboard", DASHBOARDS)
def test_query_is_accepted(dashboard: str) -> None:
    for query in ACCEPTED[dashboard]:
        tree = parse(query)

        assert tree == parse(format_expr(tree))
        assert tree == parse(format_expr(tree, style="pipes", width=60))


@pytest.mark.parametrize("query", sorted(REFUSED))
def test_query_is_refused_with_a_way_out(query: str) -> None:
    with pytest.raises(NovaqlError, match=r"got a range vector.*last_over_time"):
        parse(pasted(query))


def test_dashboards_are_listed() -> None:
    table = (FOLDER / "README.md").read_text()

    assert all(f"| `{dashboard}` |" in table for dashboard in DASHBOARDS)
    assert sum(len(queries_of(dashboard)) for dashboard in DASHBOARDS) > 600
    assert {query for name in DASHBOARDS for query in queries_of(name)} >= REFUSED


@pytest.fixture(scope="module")
def series() -> list[Series]:
    return series_of((query for queries in ACCEPTED.values() for query in queries), FIRST_S, LAST_S)


@pytest.fixture(scope="module")
def database(series: list[Series]) -> Iterator[tsdb.Database]:
    table = SeriesTable.from_dicts([one.labels for one in series])
    rows = np.repeat(np.arange(len(series)), [len(one.times_ms) for one in series])
    times = np.concatenate([np.array(one.times_ms) for one in series])
    values = np.concatenate([np.array(one.values) for one in series])
    with tsdb.memory() as opened:
        opened.append(Batch(table, rows, times, values))
        yield opened


@pytest.fixture(scope="module")
def victoria(series: list[Series], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_victoria(tmp_path_factory.mktemp("victoria") / "vm") as url:
        send_series(url, ((one.labels, one.times_ms, one.values) for one in series))
        yield url


@pytest.mark.slow
@pytest.mark.parametrize("dashboard", DASHBOARDS)
def test_answers_are_equal(dashboard: str, database: tsdb.Database, victoria: str) -> None:
    wrong, empty = {}, []
    times = {"start": FIRST_S, "end": LAST_S, "step": STEP_S}
    for query in ACCEPTED[dashboard]:
        expected, found = ask_victoria(victoria, query, times), ours(database, query)
        assert expected is not None, query
        if difference := disagreement(expected, found):
            wrong[query] = difference
        if not expected:
            empty.append(query)

    assert wrong == {}
    assert empty == []


def ours(database: tsdb.Database, query: str) -> Answer:
    query = re.sub(
        r"(\bchanges\([^\[]*\[)(\d+)s",
        lambda found: f"{found[1]}{int(found[2]) + INTERVAL_S}s",
        query,
    )
    for call in NAMES_STAY:
        query = re.sub(rf"({call})", r"\1 keep_metric_names", query)
    query = re.sub(
        r"(histogram_quantile\([\d.]+, *)(sum\(.*?\) *by *\([^)]*vmrange\))",
        r"\1prometheus_buckets(\2)",
        query,
    )
    found = novaql.query(query, database, start=FIRST_S, end=LAST_S, step=STEP_S)
    return without_nan(answer_of_result(found))
