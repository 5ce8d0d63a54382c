"""Which part of a query has no data?"""

import pandas as pd

import novaql

times = pd.date_range("2026-03-01", periods=2, freq="1min", tz="UTC")
frame = pd.DataFrame({"time": times, "up": [0.0, 0.0]})

found = novaql.why_empty("sum(up) > 0", frame)

assert found.empty
assert "no value satisfies >" in str(found)
