"""Query a CSV file: time, labels, a value."""

from pathlib import Path

import novaql

Path("load.csv").write_text(
    "time,host,load\n"
    "2026-03-01T12:00:00Z,a,0.5\n"
    "2026-03-01T12:00:00Z,b,1.5\n"
    "2026-03-01T12:01:00Z,a,0.7\n"
    "2026-03-01T12:01:00Z,b,1.9\n"
)

assert novaql.query("max(load)", "load.csv").item() == 1.9
assert novaql.query('load{host="a"}', "load.csv").item() == 0.7
