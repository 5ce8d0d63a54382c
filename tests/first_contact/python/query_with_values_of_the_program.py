"""Put values of the program into a query. They are never more than values."""

from datetime import timedelta

import pandas as pd
import pytest

import novaql

times = pd.date_range("2026-03-01", periods=2, freq="1min", tz="UTC")
frame = pd.DataFrame({"time": times, "host": ["a", 'b"} or vector(1'], "load": [1.0, 2.0]})
params = {"host": 'b"} or vector(1', "window": timedelta(minutes=5), "limit": 1.5}

result = novaql.query("max_over_time(load{host=$host}[$window]) > $limit", frame, params=params)

assert result.item() == 2
several = novaql.query("count(load{host=~$hosts})", frame, params={"hosts": ["a", "c"]})
assert several.item() == 1
with pytest.raises(novaql.QueryError, match="params has no hosts"):
    novaql.query("load{host=~$hosts}", frame, params={"host": "a"})
