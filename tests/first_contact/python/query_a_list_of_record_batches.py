"""Record batches of Arrow, as a program collects them: a list of them is one table."""

from datetime import UTC, datetime

import pyarrow as pa

import novaql

schema = pa.schema(
    [("time", pa.timestamp("s", "UTC")), ("host", pa.string()), ("load", pa.float64())]
)


def batch(minute: int, host: str, load: float) -> pa.RecordBatch:
    time = datetime(2026, 3, 1, 12, minute, tzinfo=UTC)
    return pa.RecordBatch.from_pylist([{"time": time, "host": host, "load": load}], schema)


batches = [batch(0, "a", 1.0), batch(0, "b", 2.0), batch(1, "a", 3.0)]

assert novaql.query("sum(load)", batches).item() == 5
assert novaql.query('count_over_time(load{host="a"}[5m])', batches).item() == 2
assert novaql.label_values("host", batches) == ["a", "b"]
