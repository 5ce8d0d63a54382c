"""Query a Parquet file that pandas wrote."""

import pandas as pd

import novaql

times = pd.date_range("2026-03-01", periods=3, freq="1min", tz="UTC")
frame = pd.DataFrame({"time": times, "room": "kitchen", "celsius": [19.0, 20.0, 21.0]})
frame.to_parquet("celsius.parquet")

result = novaql.query("avg_over_time(celsius[1h])", "celsius.parquet")

assert result[0].labels == {"room": "kitchen"}
assert result.item() == 20
