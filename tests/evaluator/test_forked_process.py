"""A process that is forked after a query can query too, as workers of `multiprocessing` do."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import os, signal
import numpy as np
from novaql import tsdb
from novaql import query, warmup
from novaql.tsdb.model.labels import SeriesTable
from novaql.evaluator.pipeline import scan
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.read import batches

batches.BATCH_VALUES, batches.FEW_BATCHES, scan.AT_HAND_S = 100_000, 1, 0

series, samples = 4, 100_000
table = SeriesTable.from_dicts([{"__name__": "m", "i": str(i)} for i in range(series)])
rows, times = np.repeat(np.arange(series), samples), np.tile(np.arange(samples) * 1000, series)
database = tsdb.memory()
database.append(Batch(table, rows, times, np.ones(len(rows))))
assert len(database.select((), 0, 10**9).batches) > 1, "one batch is read without other threads"


if compiled:
    warmup()


def answer():
    return query("sum(count_over_time(m[1d]))", database, time=100_000).values.tolist()


before = answer()
if os.fork() == 0:
    signal.alarm(120)  # ends a child that waits for ever
    os._exit(0 if answer() == before else 1)
raise SystemExit(os.waitstatus_to_exitcode(os.wait()[1]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("compiled", [False, True])
def test_a_query_after_a_fork(compiled: bool) -> None:
    program = f"compiled = {compiled}\n{PROGRAM}"
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program],
        capture_output=True,
        text=True,
        timeout=600,  # kernels may have to be compiled, on a busy machine
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
