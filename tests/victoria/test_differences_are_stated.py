"""Where an example of the reference gives something else on VictoriaMetrics, its row says so.

NaN is no value in MetricsQL: series and values of NaN are left out.
"""

from __future__ import annotations

import json
import math
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from docs.example_data import batch, result_of, times_of
from novaql.language.signatures import AGGREGATORS, FUNCTIONS, Aggregator, Origin, Signature
from tests.support.programs.query_answers import (
    Answer,
    answer_of_prometheus,
    answer_of_result,
    disagreement,
)
from tests.support.programs.victoria_program import running_victoria

UNSTATED = {
    "now": "the clocks differ",
    "stale_samples_over_time": "the import takes no staleness markers",
    "union": "the import takes no staleness markers",
    "running_max": "1.112 drops the metric name, later versions do not",
    "running_min": "1.112 drops the metric name, later versions do not",
    "running_sum": "1.112 drops the metric name, later versions do not",
}
"""Functions whose examples differ for a reason that is not the language's."""
_ALL: list[Signature | Aggregator] = [*FUNCTIONS.values(), *AGGREGATORS.values()]
ROWS = [row for row in _ALL if row.origin is not Origin.NOVAQL and row.name not in UNSTATED]


@pytest.fixture(scope="module")
def victoria(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server that has the floats of the examples."""
    with running_victoria(tmp_path_factory.mktemp("victoria") / "db") as url:
        samples = batch()
        series = list(samples.series)
        lines = [
            json.dumps({"metric": series[row], "values": [value], "timestamps": [time]})
            for row, time, value in zip(
                samples.series_index.tolist(),
                samples.timestamps.tolist(),
                samples.values.tolist(),
                strict=True,
            )
            if not math.isnan(value)
        ]
        urllib.request.urlopen(f"{url}/api/v1/import", "\n".join(lines).encode()).close()
        urllib.request.urlopen(f"{url}/internal/force_flush").close()
        yield url


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_difference_is_stated(victoria: str, row: Signature | Aggregator) -> None:
    expected = _asked(victoria, row)
    if expected is None:
        assert row.differences or row.origin is Origin.METRICSQL  # the package may lack it
        return
    found = _without_nan(answer_of_result(result_of(row)))

    difference = disagreement(_without_nan(expected), found, relative=1e-9, absolute=1e-9)

    assert difference is None or row.differences, difference


def _asked(url: str, row: Signature | Aggregator) -> Answer | None:
    times = {"step": "1m"} | times_of(row)
    path = "query" if "time" in times else "query_range"
    form = urllib.parse.urlencode({"query": row.example, "nocache": "1", **times})
    try:
        with urllib.request.urlopen(f"{url}/api/v1/{path}?{form}", timeout=30) as answer:
            body: Any = json.load(answer)
    except urllib.error.HTTPError as refused:
        if refused.code != 422:
            raise
        return None
    return answer_of_prometheus(body["data"])


def _without_nan(answer: Answer) -> Answer:
    found = {
        labels: {
            time: value
            for time, value in points.items()
            if not (isinstance(value, float) and math.isnan(value))
        }
        for labels, points in answer.items()
    }
    return {labels: points for labels, points in found.items() if points}
