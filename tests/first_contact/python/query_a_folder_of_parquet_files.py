"""A folder that DuckDB, polars or Spark wrote: folders called `column=value` are labels.

A query that names such a label opens only the files in its folder.
"""

import pandas as pd

import novaql

times = pd.date_range("2026-03-01", periods=4, freq="1min", tz="UTC")
frame = pd.DataFrame({"time": times, "host": list("abab"), "load": [1.0, 2.0, 3.0, 4.0]})
frame.to_parquet("load", partition_cols=["host"])

assert novaql.query('sum_over_time(load{host="b"}[1h])', "load").item() == 6
assert novaql.label_values("host", "load") == ["a", "b"]
