"""First use: a Parquet file, frames of pandas, an installation, a server's start.

    python -m benchmarks.inputs                 everything; each three times, in fresh processes
    python -m benchmarks.inputs --rounds 1 --rest-s 5
    python -m benchmarks.inputs --only parquet --only pandas

1. Peak memory and time of one query over a Parquet file of 62 MB, beside DuckDB and polars. The
   file has 7.2 million samples: 1000 counters, 30 hours, every 15 s, sorted by series or by time.
   `whole` is the sum of all samples; `windows` the sum of all increases over five minutes, at 12
   steps of 2.5 hours; `selective` the mean of one host's counters in half an hour. DuckDB and
   polars get queries in their own languages; for increases, the difference of the greatest and the
   least value in each window. Their work is similar, not equal.
2. Time of `sum by (job) (avg_over_time(load[5m]))` over a frame of pandas, with labels of each
   type, beside DuckDB and polars for the same mean and sum. The goal is 1.5 s with objects.
3. Size of the installed packages: of `pip install novaql`, and of `novaql[all]`.
4. A server's start and memory, beside Prometheus. Both are in `footprint.py`.

CPU times are of all threads of the process. Run `novaql warmup` before.

Informs these decisions: large Parquet files are read selector by selector, in two passes; what an
installation may need; what a server does before it answers.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import click
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import footprint

SERIES, TIMES = 1000, 7200
START = np.datetime64("2026-01-01T00:00:00", "ms")

NOVAQL = """
import novaql
def windows():
    found = novaql.query("sum(increase(cpu_seconds_total[5m]))", path,
                         start="2026-01-01T02:00:00Z", end="2026-01-02T05:30:00Z", step="150m")
    return len(found.times_ms)
def whole():
    found = novaql.query("sum(sum_over_time(cpu_seconds_total[30h]))", path,
                         time="2026-01-02T05:59:45Z")
    return found.item()
def selective():
    found = novaql.query('avg(avg_over_time(cpu_seconds_total{host="host-042"}[30m]))', path,
                         time="2026-01-01T12:00:00Z")
    return found.item()
"""

DUCKDB = """
import duckdb
duckdb.sql("SET enable_progress_bar = false")
def windows():
    found = duckdb.sql(f'''
        WITH steps AS (
            SELECT TIMESTAMP '2026-01-01 02:00' + to_minutes(150 * i) AS step FROM range(12) t(i)),
        windows AS (
            SELECT step, host, mode, max(value) - min(value) AS grown
            FROM '{path}' JOIN steps ON time > step - INTERVAL 5 MINUTE AND time <= step
            GROUP BY ALL)
        SELECT step, sum(grown) FROM windows GROUP BY step''').fetchall()
    return len(found)
def whole():
    return duckdb.sql(f"SELECT sum(value) FROM '{path}'").fetchall()[0][0]
def selective():
    found = duckdb.sql(f'''
        SELECT avg(value) FROM '{path}' WHERE host = 'host-042'
        AND time > TIMESTAMP '2026-01-01 11:30' AND time <= TIMESTAMP '2026-01-01 12:00'
    ''').fetchall()
    return found[0][0]
"""

POLARS = """
import polars as pl
from datetime import datetime, timedelta
def windows():
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
    return len(found)
def whole():
    total = pl.scan_parquet(path).select(pl.col("value").sum()).collect(engine="streaming")
    return total.item()
def selective():
    window = datetime(2026, 1, 1, 11, 30), datetime(2026, 1, 1, 12)
    found = (pl.scan_parquet(path).filter(pl.col("host") == "host-042")
             .filter(pl.col("time").is_between(*window, closed="right"))
             .select(pl.col("value").mean()).collect(engine="streaming"))
    return found.item()
"""

MEASURE = """
import json, sys, time
path, question = sys.argv[1:]
{program}
def measured():
    wall, cpu = time.perf_counter(), time.process_time()
    found = globals()[question]()
    return [time.perf_counter() - wall, time.process_time() - cpu], found
first, found = measured()
peak = next(int(line.split()[1]) for line in open('/proc/self/status') if 'VmHWM' in line) / 1024
again, _ = measured()
print(json.dumps([peak, *first, *again, found]))
"""

PANDAS = """
import json, sys, time
import numpy as np, pandas as pd
rows, kind, system = int(sys.argv[1]), sys.argv[2], sys.argv[3]
host = np.array([f"host-{i // (rows // 1000)}" for i in range(rows)], object)
job = np.array([f"job-{i // (rows // 1000) % 4}" for i in range(rows)], object)
times = np.tile(pd.date_range("2026-01-01", periods=rows // 1000, freq="15s").to_numpy(), 1000)
types = {"object": object, "categorical": "category", "str": "str"}
frame = pd.DataFrame({"time": times, "load": np.random.default_rng(1).random(rows)})
frame["host"] = pd.Series(host, dtype=object).astype(types[kind])
frame["job"] = pd.Series(job, dtype=object).astype(types[kind])
since = times[-1] - np.timedelta64(5, "m")
def novaql_(frame):
    import novaql
    found = novaql.query("sum by (job) (avg_over_time(load[5m]))", frame)
    return {one.labels["job"]: float(one.values[-1]) for one in found}
def duckdb_(frame):
    import duckdb
    return dict(duckdb.sql('''
        SELECT job, sum(mean) FROM (SELECT host, job, avg(load) AS mean FROM frame
        WHERE time > (SELECT max(time) FROM frame) - INTERVAL 5 MINUTE GROUP BY host, job)
        GROUP BY job''').fetchall())
def polars_(frame):
    import polars as pl
    found = pl.from_pandas(frame)
    found = found.filter(pl.col("time") > found["time"].max() - pl.duration(minutes=5))
    found = found.group_by("host", "job").agg(pl.col("load").mean())
    return dict(found.group_by("job").agg(pl.col("load").sum()).iter_rows())
ask = {"NovaQL": novaql_, "DuckDB": duckdb_, "polars": polars_}[system]
ask(frame[:1000])  # loads the library
wall, cpu = time.perf_counter(), time.process_time()
found = ask(frame)
took = [time.perf_counter() - wall, time.process_time() - cpu]
assert len(found) == 4
print(json.dumps([*took, sum(found.values())]))
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
    """The figures that a program prints in a separate process."""
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], check=True, capture_output=True, text=True
    )
    found: list[float] = json.loads(done.stdout.splitlines()[-1])
    return found


def medians(programs: Mapping[str, Sequence[str]], rounds: int) -> dict[str, list[float]]:
    """System → medians of the figures of its program, whose last one is its answer. Raises
    `AssertionError` if two systems answer differently."""
    runs: dict[str, list[list[float]]] = {name: [] for name in programs}
    for _ in range(rounds):  # interleaved: the machine may be busy for a while
        for name, (program, *arguments) in programs.items():
            runs[name].append(measured(program, *arguments))
    found = {
        name: [statistics.median(column) for column in zip(*figures, strict=True)]
        for name, figures in runs.items()
    }
    answers = [figures.pop() for figures in found.values()]
    assert np.allclose(answers, answers[0], rtol=1e-9), answers
    return found


def print_table(head: str, rows: Iterable[Sequence[object]]) -> None:
    """A table of Markdown: the columns of numbers are those whose names begin with a space."""
    names = head.split("|")
    click.echo("\n|" + "|".join(f" {name.strip()} " for name in names) + "|")
    click.echo("|" + "|".join(" ---: " if name[0] == " " else " --- " for name in names) + "|")
    for row in rows:
        cells = (f"{cell:.2f}" if isinstance(cell, float) else str(cell) for cell in row)
        click.echo("|" + "|".join(f" {cell} " for cell in cells) + "|")


def parquet(rounds: int) -> None:
    """Table 1."""
    systems = {"NovaQL": NOVAQL, "DuckDB": DUCKDB, "polars": POLARS}
    rows: list[Sequence[object]] = []
    with tempfile.TemporaryDirectory() as folder:
        for order in ("series", "time"):
            path = Path(folder) / f"by_{order}.parquet"
            write_fleet(path, by_time=order == "time")
            size = f"{path.stat().st_size / 1e6:.0f} MB by {order}"
            for question in ("whole", "windows", "selective"):
                programs = {
                    name: (MEASURE.format(program=program), str(path), question)
                    for name, program in systems.items()
                }
                for name, (peak, *seconds) in medians(programs, rounds).items():
                    rows.append((size, question, name, round(peak), *seconds))
    print_table("file|question|system| peak MiB| first s| CPU s| again s| CPU s", rows)


def pandas(rounds: int, count: int) -> None:
    """Table 2."""
    rows = []
    for kind in ("object", "categorical", "str"):
        programs = {
            name: (PANDAS, str(count), kind, name) for name in ("NovaQL", "DuckDB", "polars")
        }
        rows += [(kind, name, *took) for name, took in medians(programs, rounds).items()]
    print_table(f"labels of {count} rows in pandas|system| s| CPU s", rows)


def install() -> None:
    """Table 3."""
    rows = []
    for name, extras in {"novaql": (), "novaql[all]": ("all",)}.items():
        sizes = footprint.installed(extras)
        largest = sorted(sizes, key=lambda one: -sizes[one])[:6]
        most = ", ".join(f"{one} {sizes[one]:.0f}" for one in largest)
        rows.append((name, len(sizes), round(sum(sizes.values())), most))
    print_table("installed| packages| MB|largest", rows)


def server(rounds: int, hours: float, rest_s: float) -> None:
    """Table 4."""
    found = footprint.programs()
    starts: dict[str, list[tuple[float, float]]] = {one.name: [] for one in found}
    for _ in range(rounds):
        for one in found:
            with footprint.started(one) as at:
                starts[one.name].append((at.wall_s, at.cpu_s))
    rows = []
    for one in found:
        wall, cpu = map(statistics.median, zip(*starts[one.name], strict=True))
        idle, used = footprint.memory(one, hours=hours, rest_s=rest_s)
        rows.append((one.name, wall, cpu, round(idle), round(used)))
    print_table("server| healthy after s| CPU s| MiB after start| MiB after light use", rows)


@click.command()
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(1))
@click.option("--rows", default=4_000_000, show_default=True, help="Rows of the pandas frames.")
@click.option("--hours", default=1.0, show_default=True, help="Light use: hours of samples.")
@click.option("--rest-s", default=70.0, show_default=True, help="Light use: seconds until memory.")
@click.option(
    "--only", multiple=True, type=click.Choice(["parquet", "pandas", "install", "server"])
)
def main(rounds: int, rows: int, hours: float, rest_s: float, only: tuple[str, ...]) -> None:
    """Print the tables."""
    tables: dict[str, Callable[[], None]] = {
        "parquet": lambda: parquet(rounds),
        "pandas": lambda: pandas(rounds, rows),
        "install": install,
        "server": lambda: server(rounds, hours, rest_s),
    }
    for name, table in tables.items():
        if not only or name in only:
            table()


if __name__ == "__main__":
    main()
