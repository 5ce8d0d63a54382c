"""The result of a PromQL query in SQL, joined with a frame of the program."""

import pandas as pd

import novaql

times = pd.date_range("2026-03-01", periods=2, freq="1min", tz="UTC")
metrics = pd.DataFrame({"time": times, "host": ["a", "b"], "load": [1.0, 2.0]})
owners = pd.DataFrame({"host": ["a", "b"], "owner": ["kim", "lou"]})

found = novaql.sql(
    """
    SELECT owner, value
    FROM promql('load > 1', time := '2026-03-01T00:01:00Z') JOIN owners USING (host)
    """,
    metrics,
)
assert found is not None
assert len(owners) == 2
assert found.fetchall() == [("lou", 2.0)]
