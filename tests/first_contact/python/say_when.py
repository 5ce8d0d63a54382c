"""Times and durations as Grafana, pandas and people write them."""

from datetime import UTC, datetime, timedelta

import pandas as pd

import novaql

at = datetime(2026, 3, 1, 12, tzinfo=UTC)
for time in (at, at.timestamp(), "2026-03-01T12:00:00Z", pd.Timestamp(at)):
    assert novaql.query("time()", time=time).item() == at.timestamp()

today = novaql.query("time()", time="now/d").item()
assert today % 86_400 == 0
an_hour_ago = novaql.query("time()", time="1h ago").item()
assert 3600 <= datetime.now(UTC).timestamp() - an_hour_ago < 3700

for step in ("5m", "5min", 300, timedelta(minutes=5), pd.offsets.Minute(5)):
    assert len(novaql.query("vector(1)", start=0, end=600, step=step).times_ms) == 3
