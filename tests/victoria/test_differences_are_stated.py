"""Where an example of the reference gives something else on VictoriaMetrics, its row says so.

NaN is no value in MetricsQL: series and values of NaN are left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest

from docs.example_data import batch, result_of, times_of
from novaql.language.signatures import AGGREGATORS, FUNCTIONS, Aggregator, Origin, Signature
from tests.support.programs.query_answers import answer_of_result, disagreement, without_nan
from tests.support.programs.victoria_program import ask_victoria, running_victoria, send_series

UNSTATED = {
    "now": "the clocks differ",
    "stale_samples_over_time": "the import takes no staleness markers",
    "union": "the import takes no staleness markers",
    "running_max": "1.112 drops the metric name, later versions do not",
    "running_min": "1.112 drops the metric name, later versions do not",
    "running_sum": "1.112 drops the metric name, later versions do not",
}
"""Functions whose examples differ for a reason that is not the language's."""
LACKS = {
    "aggr_over_time", "double_exponential_smoothing", "histogram_count", "histogram_fraction",
    "histogram_quantiles", "histogram_sum", "info", "limit_ratio", "max_of", "min_of", "range",
    "rate_prometheus", "start_timestamp", "ts_of_first_over_time", "ts_of_last_over_time",
    "ts_of_max_over_time", "ts_of_min_over_time",
}  # fmt: skip
"""Functions whose examples VictoriaMetrics 1.112 of the package refuses: those of newer PromQL or
MetricsQL, `holt_winters` by its newer name, and `aggr_over_time` with a list of names. Scripts in
`tests/promql` have their values, worked out by hand."""
_ALL: list[Signature | Aggregator] = [*FUNCTIONS.values(), *AGGREGATORS.values()]
ROWS = [row for row in _ALL if row.origin is not Origin.NOVAQL and row.name not in UNSTATED]


@pytest.fixture(scope="module")
def victoria(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server that has the floats of the examples."""
    with running_victoria(tmp_path_factory.mktemp("victoria") / "db") as url:
        samples = batch()
        series = list(samples.series)
        columns = (samples.series_index, samples.timestamps, samples.values)
        singles = zip(*(column.tolist() for column in columns), strict=True)
        send_series(url, ((series[r], [t], [v]) for r, t, v in singles if not math.isnan(v)))
        yield url


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_difference_is_stated(victoria: str, row: Signature | Aggregator) -> None:
    expected = ask_victoria(victoria, row.example, {"step": "1m"} | times_of(row))
    assert (expected is None) == (row.name in LACKS)
    if expected is None:
        assert row.differences or row.origin is Origin.METRICSQL
        return
    found = without_nan(answer_of_result(result_of(row)))

    difference = disagreement(without_nan(expected), found, relative=1e-9, absolute=1e-9)

    assert difference is None or row.differences, difference
