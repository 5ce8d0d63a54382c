"""A dataset of pyarrow: its partitions and row groups are read as a query needs them. A scanner of
one, with a filter, is read as a whole."""

import pyarrow as pa
import pyarrow.dataset as ds

import novaql

times = pa.array([0, 60, 0, 60], pa.timestamp("s", "UTC"))
table = pa.table({"time": times, "host": list("aabb"), "load": [1.0, 2.0, 3.0, 4.0]})
ds.write_dataset(table, "load", format="parquet", partitioning=["host"], partitioning_flavor="hive")

dataset = ds.dataset("load", partitioning="hive")
assert novaql.query("sum(load)", dataset).item() == 6

scanner = dataset.scanner(filter=ds.field("host") == "b")
assert novaql.query("sum(load)", scanner).item() == 4
