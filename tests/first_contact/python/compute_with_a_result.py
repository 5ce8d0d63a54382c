"""A result is a sequence of series, an array, and, with one sample, a number."""

import numpy as np
import pandas as pd

import novaql

times = pd.date_range("2026-03-01", periods=2, freq="1min", tz="UTC")
frame = pd.DataFrame({"time": [*times, *times], "host": list("aabb"), "load": [1.0, 2.0, 3.0, 4.0]})

result = novaql.query("load", frame, start=times[0], end=times[1], step="1min")

assert [series.labels["host"] for series in result] == ["a", "b"]
assert result[-1].values.tolist() == [3, 4]
assert len(result[:1]) == 1
assert np.asarray(result).tolist() == [[1, 2], [3, 4]]
assert float(novaql.query("1 + 1")) == 2
assert result == novaql.query("load", frame, start=times[0], end=times[1], step=60)
