"""Write samples to a Parquet file, which pandas, polars and DuckDB read, and NovaQL again."""

import pandas as pd

import novaql

times = pd.date_range("2026-03-01", periods=2, freq="1min", tz="UTC")
frame = pd.DataFrame({"time": times, "host": ["a", "b"], "load": [1.0, 2.0]})

saved = novaql.save(frame, "load.parquet", match='load{host="b"}')

assert saved.samples == 1
assert pd.read_parquet("load.parquet")["host"].tolist() == ["b"]
assert novaql.query("load", "load.parquet").item() == 2
