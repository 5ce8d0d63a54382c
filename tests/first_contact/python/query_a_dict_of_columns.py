"""Lists, arrays and series by name. A text or number is that of each row."""

from datetime import UTC, datetime, timedelta

import numpy as np

import novaql

noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
columns = {
    "time": [noon + timedelta(minutes=n) for n in range(3)],
    "host": "a",
    "load": np.array([1.0, 2.0, 3.0]),
}

result = novaql.query("avg_over_time(load[5m])", columns)
assert result[0].labels == {"host": "a"}
assert result.item() == 2
