"""A pattern names files; `**` is any number of folders."""

from pathlib import Path

import pandas as pd

import novaql

for day in ("2026-03-01", "2026-03-02"):
    Path(f"visits/day={day}").mkdir(parents=True)
    frame = pd.DataFrame({"time": [pd.Timestamp(day, tz="UTC")], "visits": [100.0]})
    frame.to_parquet(f"visits/day={day}/part-0.parquet")

assert len(novaql.query("last_over_time(visits[7d])", "visits/**/*.parquet")) == 2
assert novaql.label_values("day", "visits/*/*.parquet") == ["2026-03-01", "2026-03-02"]
