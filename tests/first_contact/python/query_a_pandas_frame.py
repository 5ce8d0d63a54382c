"""Query a pandas frame. Without a time, the query is answered at the last sample, and says so."""

import pandas as pd

import novaql

frame = pd.DataFrame(
    {
        "time": pd.to_datetime(["2026-03-01T12:00Z", "2026-03-01T12:00Z", "2026-03-01T12:01Z"]),
        "job": ["api", "db", "api"],
        "up": [1.0, 0.0, 1.0],
    }
)

result = novaql.query("sum(up)", frame)

assert result.item() == 1
assert "time is 2026-03-01T12:01:00Z" in result.infos[0]
