"""A query as an expression of Python, with `q`."""

import pandas as pd

import novaql
from novaql import q

times = pd.date_range("2026-03-01", periods=2, freq="1min", tz="UTC")
frame = pd.DataFrame({"time": times, "job": ["api", "db"], "up": [1.0, 0.0]})

assert str(q.up(job="api")) == 'up{job="api"}'
assert novaql.query(q.up(job="api"), frame).item() == 1
