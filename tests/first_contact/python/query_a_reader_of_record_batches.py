"""A stream of Arrow, such as other programs send it: a reader is read once, to its end."""

import pyarrow as pa

import novaql

times = pa.array([0, 60, 120], pa.timestamp("s", "UTC"))
table = pa.table({"time": times, "load": [1.0, 2.0, 3.0]})

assert novaql.query("sum_over_time(load[5m])", table.to_reader()).item() == 6
