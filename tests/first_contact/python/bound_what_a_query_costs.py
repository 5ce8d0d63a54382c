"""What would a query cost? And a limit, which it meets before it reads anything."""

import pandas as pd
import pytest

import novaql

times = pd.date_range("2026-03-01", periods=1000, freq="1s", tz="UTC")
frame = pd.DataFrame({"time": times, "n": range(1000)})

assert novaql.estimate("sum_over_time(n[1h])", frame).samples == 1000
with pytest.raises(novaql.LimitExceeded):
    novaql.query("sum_over_time(n[1h])", frame, limits=novaql.Limits(samples=100))
