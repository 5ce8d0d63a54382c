"""Query several files as one: a list of paths."""

from pathlib import Path

import novaql

for day in (1, 2):
    Path(f"day{day}.csv").write_text(f"time,visits\n2026-03-0{day}T00:00:00Z,{day}00\n")

result = novaql.query("sum_over_time(visits[7d])", ["day1.csv", "day2.csv"])

assert result.item() == 300
