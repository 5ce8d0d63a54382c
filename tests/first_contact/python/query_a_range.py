"""Query a range: a start suffices. The end is the last sample, the step about a 240th."""

import pandas as pd

import novaql

times = pd.date_range("2026-03-01", periods=1441, freq="1min", tz="UTC")
frame = pd.DataFrame({"time": times, "clock": range(1441)})

result = novaql.query("clock", frame, start="2026-03-01")

assert len(result.times_ms) == 145  # every 10 minutes of a day
assert result.values[0, -1] == 1440
