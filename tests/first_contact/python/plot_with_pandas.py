"""The wide pandas frame: times are the index, with their frequency; each series is a column."""

import pandas as pd

import novaql

times = pd.date_range("2026-03-01", periods=4, freq="30s", tz="UTC")
frame = pd.DataFrame({"time": times, "mode": list("iuiu"), "seconds": [1.0, 2.0, 3.0, 4.0]})

wide = novaql.query(
    "sum by (mode) (seconds)", frame, start=times[0], end=times[-1], step=times.freq
).pandas(wide=True)

assert list(wide.columns) == ["i", "u"]
assert isinstance(wide.index, pd.DatetimeIndex)
assert wide.index.freq == times.freq
assert wide["i"].tolist() == [1, 1, 3, 3]
