"""Record batches of Arrow, as a program collects them: a list of them is one table."""

import pyarrow as pa

import novaql


def batch(second: int, host: str, load: float) -> pa.RecordBatch:
    time = pa.array([second], pa.timestamp("s", "UTC"))
    return pa.RecordBatch.from_arrays(
        [time, pa.array([host]), pa.array([load])], ["time", "host", "load"]
    )


batches = [batch(0, "a", 1.0), batch(0, "b", 2.0), batch(60, "a", 3.0)]

assert novaql.query("sum(load)", batches).item() == 5
assert novaql.query('count_over_time(load{host="a"}[5m])', batches).item() == 2
assert novaql.label_values("host", batches) == ["a", "b"]
