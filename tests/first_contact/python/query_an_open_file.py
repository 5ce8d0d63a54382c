"""An open file, or bytes in memory, such as the body of a download, in any file format."""

import io
from pathlib import Path

import pandas as pd

import novaql

times = pd.date_range("2026-03-01", periods=2, freq="1min", tz="UTC")
body = io.BytesIO()
pd.DataFrame({"time": times, "load": [1.0, 3.0]}).to_parquet(body)
assert novaql.query("load", body).item() == 3

page = io.BytesIO(b"# TYPE up gauge\nup 1 1772366400\n# EOF\n")
assert novaql.query("up", page).item() == 1

Path("load.csv").write_text("time,load\n2026-03-01T12:00:00Z,0.5\n")
with Path("load.csv").open("rb") as file:
    assert novaql.query("load", file).item() == 0.5
