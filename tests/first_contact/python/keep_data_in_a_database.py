"""Put samples into a database, and query it: now, and after it was opened again."""

import pandas as pd

import novaql

times = pd.date_range("2026-03-01", periods=3, freq="1min", tz="UTC")
frame = pd.DataFrame({"time": times, "host": "a", "load": [1.0, 2.0, 3.0]})

with novaql.open("metrics") as database:
    database.load(frame)
    assert database.query("max_over_time(load[5m])", time="2026-03-01T00:02Z").item() == 3

with novaql.open("metrics", read_only=True) as database:
    assert database.metrics() == ["load"]
    assert database.label_values("host") == ["a"]

assert novaql.query("load", "metrics", time="2026-03-01T00:01Z").item() == 2
