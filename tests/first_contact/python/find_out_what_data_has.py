"""What is in the data? Metrics, labels, their values, series, times."""

from datetime import UTC, datetime

import pandas as pd

import novaql

times = pd.date_range("2026-03-01", periods=2, freq="1min", tz="UTC")
frame = pd.DataFrame({"time": times, "host": ["a", "b"], "load": [1.0, 2.0]})

assert novaql.metrics(frame) == ["load"]
assert novaql.labels(frame) == ["__name__", "host"]
assert novaql.label_values("host", frame) == ["a", "b"]
assert novaql.series(frame, match='{host="a"}') == [{"__name__": "load", "host": "a"}]
assert novaql.cardinality(frame).series_by_metric == [{"name": "load", "value": 2}]
assert novaql.time_range(frame) == (
    datetime(2026, 3, 1, tzinfo=UTC),
    datetime(2026, 3, 1, 0, 1, tzinfo=UTC),
)
