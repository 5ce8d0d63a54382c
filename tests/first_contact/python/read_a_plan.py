"""How will a query be evaluated, and where does its time go?"""

import pandas as pd

import novaql

times = pd.date_range("2026-03-01", periods=2, freq="1min", tz="UTC")
frame = pd.DataFrame({"time": times, "n": [1.0, 2.0]})

assert "rate" in novaql.explain("sum(rate(n[5m]))")
assert "ms" in novaql.analyze("sum(rate(n[5m]))", frame)
