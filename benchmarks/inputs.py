"""Peak memory and time of one query over a Parquet file of 62 MB, beside DuckDB and polars.

    python -m benchmarks.inputs                 each three times, in a process of its own
    python -m benchmarks.inputs --rounds 1

The file has 7.2 million samples: 1000 counters, 30 hours, every 15 s, sorted by series or by time.
The large question is the sum of all increases over five minutes, at 12 steps of 2.5 hours; the
small one is the mean of one host's counters in half an hour. DuckDB and polars are asked in their
own words: the greatest value less the least in each window. So the work is alike, not equal.

A second table has the time that a query over a frame of pandas takes, with labels of each type.

It informs: large Parquet files are read selector by selector, in two passes.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import click
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SERIES, TIMES = 1000, 7200
START = np.datetime64("2026-01-01T00:00:00", "ms")

NOVAQL = """
import novaql
def large():
    found = novaql.query("sum(increase(cpu_seconds_total[5m]))", path,
                         start="2026-01-01T02:00:00Z", end="2026-01-02T05:30:00Z", step="150m")
    assert len(found.times_ms) == 12
def small():
    found = novaql.query('avg(avg_over_time(cpu_seconds_total{host="host-042"}[30m]))', path,
                         time="2026-01-01T12:00:00Z")
    assert len(found) == 1
"""

DUCKDB = """
import duckdb
duckdb.sql("SET enable_progress_bar = false")
def large():
    found = duckdb.sql(f'''
        WITH steps AS (
            SELECT TIMESTAMP '2026-01-01 02:00' + to_minutes(150 * i) AS step FROM range(12) t(i)),
        windows AS (
            SELECT step, host, mode, max(value) - min(value) AS grown
            FROM '{path}' JOIN steps ON time > step - INTERVAL 5 MINUTE AND time <= step
            GROUP BY ALL)
        SELECT step, sum(grown) FROM windows GROUP BY step''').fetchall()
    assert len(found) == 12
def small():
    found = duckdb.sql(f'''
        SELECT avg(value) FROM '{path}' WHERE host = 'host-042'
        AND time > TIMESTAMP '2026-01-01 11:30' AND time <= TIMESTAMP '2026-01-01 12:00'
    ''').fetchall()
    assert len(found) == 1
"""

POLARS = """
import polars as pl
from datetime import datetime, timedelta
def large():
    frame = pl.scan_parquet(path)
    first = datetime(2026, 1, 1, 2)
    since = (pl.col("time") - first).dt.total_milliseconds() / 9_000_000
    before = first + pl.duration(minutes=150) * pl.col("step") - pl.col("time")
    grown = pl.col("value").max() - pl.col("value").min()
    found = (frame.with_columns(step=since.ceil().cast(pl.Int64))
             .filter(pl.col("step").is_between(0, 11))
             .filter(before < timedelta(minutes=5))
             .group_by("step", "host", "mode").agg(grown=grown)
             .group_by("step").agg(pl.col("grown").sum()).collect(engine="streaming"))
    assert len(found) == 12
def small():
    window = datetime(2026, 1, 1, 11, 30), datetime(2026, 1, 1, 12)
    found = (pl.scan_parquet(path).filter(pl.col("host") == "host-042")
             .filter(pl.col("time").is_between(*window, closed="right"))
             .select(pl.col("value").mean()).collect(engine="streaming"))
    assert len(found) == 1
"""

MEASURE = """
import json, sys, time
path, question = sys.argv[1:]
{program}
began = time.perf_counter()
{{"large": large, "small": small}}[question]()
first = time.perf_counter() - began
peak = next(int(line.split()[1]) for line in open('/proc/self/status') if 'VmHWM' in line) / 1024
began = time.perf_counter()
{{"large": large, "small": small}}[question]()
print(json.dumps([peak, first, time.perf_counter() - began]))
"""

PANDAS = """
import json, sys, time
import numpy as np, pandas as pd, novaql
rows, kind = int(sys.argv[1]), sys.argv[2]
host = np.array([f"host-{i // (rows // 1000)}" for i in range(rows)], object)
job = np.array([f"job-{i // (rows // 1000) % 4}" for i in range(rows)], object)
times = np.tile(pd.date_range("2026-01-01", periods=rows // 1000, freq="15s").to_numpy(), 1000)
types = {"object": object, "categorical": "category", "str": "str"}
frame = pd.DataFrame({"time": times, "load": np.random.default_rng(1).random(rows)})
frame["host"] = pd.Series(host, dtype=object).astype(types[kind])
frame["job"] = pd.Series(job, dtype=object).astype(types[kind])
novaql.query("load", pd.DataFrame({"time": times[:1], "load": [1.0]}))
began = time.perf_counter()
assert len(novaql.query("sum by (job) (avg_over_time(load[5m]))", frame)) == 4
print(json.dumps([time.perf_counter() - began]))
"""


def write_fleet(path: Path, *, by_time: bool) -> None:
    """The file, as `pyarrow.parquet.write_table` writes it by default."""
    times = START + np.arange(TIMES) * np.timedelta64(15_000, "ms")
    values = np.cumsum(np.random.default_rng(1).random((SERIES, TIMES)), axis=1)
    if by_time:
        time, row, value = np.repeat(times, SERIES), np.tile(np.arange(SERIES), TIMES), values.T
    else:
        time, row, value = np.tile(times, SERIES), np.repeat(np.arange(SERIES), TIMES), values
    hosts = pa.array([f"host-{number:03}" for number in range(SERIES // 10)])
    modes = pa.array([f"mode-{number}" for number in range(10)])
    table = pa.table(
        {
            "__name__": pa.repeat("cpu_seconds_total", len(row)),
            "host": hosts.take(row // 10),
            "mode": modes.take(row % 10),
            "time": pa.array(time),
            "value": pa.array(value.reshape(-1)),
        }
    )
    pq.write_table(table, path)


def measured(program: str, *arguments: str) -> list[float]:
    """The figures that a program prints, of a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], check=True, capture_output=True, text=True
    )
    found: list[float] = json.loads(done.stdout.splitlines()[-1])
    return found


@click.command()
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(1))
@click.option("--rows", default=4_000_000, show_default=True, help="Rows of the pandas frames.")
def main(rounds: int, rows: int) -> None:
    """Print both tables."""
    systems = {"NovaQL": NOVAQL, "DuckDB": DUCKDB, "polars": POLARS}
    with tempfile.TemporaryDirectory() as folder:
        click.echo("| file | question | system | peak MiB | first query s | again s |")
        click.echo("| --- | --- | --- | ---: | ---: | ---: |")
        for order in ("series", "time"):
            path = Path(folder) / f"by_{order}.parquet"
            write_fleet(path, by_time=order == "time")
            size = f"{path.stat().st_size / 1e6:.0f} MB by {order}"
            for question in ("large", "small"):
                runs: dict[str, list[list[float]]] = {name: [] for name in systems}
                for _ in range(rounds):  # interleaved: the machine may be busy for a while
                    for name, program in systems.items():
                        found = measured(MEASURE.format(program=program), str(path), question)
                        runs[name].append(found)
                for name, figures in runs.items():
                    peak, first, again = map(statistics.median, zip(*figures, strict=True))
                    click.echo(
                        f"| {size} | {question} | {name} | {peak:.0f} | {first:.2f} | {again:.2f} |"
                    )
    click.echo(f"\n| labels of {rows} rows in pandas | s |\n| --- | ---: |")
    for kind in ("object", "categorical", "str"):
        seconds = statistics.median(measured(PANDAS, str(rows), kind)[0] for _ in range(rounds))
        click.echo(f"| {kind} | {seconds:.2f} |")


if __name__ == "__main__":
    main()
