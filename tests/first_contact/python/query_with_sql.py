"""SQL over metrics: each one is a table. Values are bound."""

import pandas as pd

import novaql

times = pd.date_range("2026-03-01", periods=3, freq="1min", tz="UTC")
frame = pd.DataFrame({"time": times, "host": ["a", "b", "b"], "load": [1.0, 2.0, 4.0]})

found = novaql.sql("SELECT avg(value) FROM load WHERE host = ?", frame, params=["b"])
assert found is not None
assert found.fetchall() == [(3.0,)]

names = novaql.sql("SHOW TABLES", frame)
assert names is not None
assert ("load",) in names.fetchall()
