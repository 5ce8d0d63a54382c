"""Query an Arrow table, and get the answer as one."""

import pyarrow as pa

import novaql

times = pa.array([0, 60], pa.timestamp("s", "UTC"))
table = pa.table({"time": times, "host": ["a", "a"], "load": [1.0, 3.0]})

answer = novaql.query("load * 2", table).arrow()

assert answer.column("value").to_pylist() == [6.0]
assert answer.column("host").to_pylist() == ["a"]
