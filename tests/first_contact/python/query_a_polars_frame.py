"""Query a polars frame, and get the answer as one."""

from datetime import UTC, datetime, timedelta

import polars as pl

import novaql

noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
frame = pl.DataFrame({"time": [noon, noon + timedelta(minutes=1)], "requests": [10.0, 70.0]})

answer = novaql.query("requests - requests offset 1m", frame).polars()

assert answer["value"].to_list() == [60.0]
