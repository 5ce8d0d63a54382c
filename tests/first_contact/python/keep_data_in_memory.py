"""A database in memory: the same methods, no files."""

from pathlib import Path

import novaql

Path("page.prom").write_text("up 1 1772366400000\n")

with novaql.memory() as database:
    database.load("page.prom")
    assert database.query("up", time=1772366400).item() == 1

with novaql.open(":memory:") as empty:
    assert empty.metrics() == []
