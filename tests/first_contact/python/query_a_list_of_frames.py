"""Several frames as one, of any library."""

from datetime import UTC, datetime

import pandas as pd
import polars as pl

import novaql

noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
one = pd.DataFrame({"time": [noon], "host": ["a"], "load": [1.0]})
other = pl.DataFrame({"time": [noon], "host": ["b"], "load": [2.0]})

assert novaql.query("sum(load)", [one, other]).item() == 3
