"""Labels that a query makes are bounded, and counted before they are made."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from novaql import query
from novaql.errors import LimitExceeded
from novaql.inputs.tables.table_source import TableSource
from novaql.options import Limits
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.samples import Batch

SERIES = 2000
LONG = "n" * 70_000


@pytest.fixture(scope="module")
def many() -> TableSource:
    """One sample of each of 2000 series."""
    table = SeriesTable.from_dicts([{"__name__": "m", "i": f"{i:04}"} for i in range(SERIES)])
    rows = np.arange(SERIES, dtype=np.int64)
    return TableSource(Batch(table, rows, np.zeros(SERIES, np.int64), np.ones(SERIES)))


def nested(levels: int) -> str:
    text = 'label_replace(vector(1), "a", "%s", "", "")' % ("y" * 1000)
    for _ in range(levels):
        text = 'label_replace({}, "a", "{}", "a", "(.*)")'.format(text, "${1}" * 10)
    return text


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        'label_join(vector(1), "b", "{}"{})'.format("x" * 150_000, ', "i"' * 16_000),
        nested(8),
        f'label_replace(vector(1), "{LONG}", "x", "", "")',
        f'label_join(vector(1), "{LONG}", "x", "a")',
        f'count_values("{LONG}", vector(1))',
        f'histogram_quantiles(vector(1), "{LONG}", 0.5)',
    ],
    ids=["join", "nested", "name", "name of join", "name of count", "name of quantiles"],
)
def test_a_long_label_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(LimitExceeded, match="of more than 65536 bytes") as caught:
        query(text, time=0)

    assert caught.value.line == 1
    assert "^" in caught.value.explain()


def test_the_longest_value_is_made_and_the_limit_counts_bytes() -> None:
    limits = Limits(label_value_bytes=9)
    text = 'label_join(label_replace(vector(1), "a", "{}", "", ""), "b", "", "a", "a", "a")'

    (only,) = query(text.format("abc"), time=0, limits=limits)
    assert only.labels["b"] == "abcabcabc"
    (only,) = query(text.format("é"), time=0, limits=limits)
    with pytest.raises(LimitExceeded, match="8 bytes"):
        query(text.format("éa"), time=0, limits=Limits(label_value_bytes=8))
    with pytest.raises(LimitExceeded, match="9 bytes"):
        query(text.format("ééé"), time=0, limits=limits)


@pytest.mark.parametrize(
    "text",
    [
        'label_join(m, "b", "%s", "i", "i")' % ("s" * 20_000),
        'label_replace(m, "b", "%s$1", "i", "(.*)")' % ("s" * 20_000),
    ],
    ids=["join", "replace"],
)
def test_texts_count_into_the_budget_before_they_are_made(many: TableSource, text: str) -> None:
    with pytest.raises(LimitExceeded, match="limit is 16 MiB") as caught:
        query(text, many, time=0, limits=Limits(bytes=16 << 20))

    assert caught.value.line == 1
    assert len(query(text, many, time=0, limits=Limits(bytes=64 << 20))) == SERIES


WITHOUT_MEMORY = """
import resource
from dataclasses import replace

import numpy as np

import novaql

found = novaql.query(
    'label_replace(label_replace(vector(1), "a", "' + "s" * 60_000 + '", "", ""), '
    '"b", "' + "t" * 60_000 + '", "", "")', time=0)
rows = found.series.take(np.zeros(8000, np.int64))
big = replace(found, series=rows, values=np.ones((8000, 1)), valid=None)
big.rows(0, 1).json()
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
hard = resource.getrlimit(resource.RLIMIT_AS)[1]
resource.setrlimit(resource.RLIMIT_AS, (used + (300 << 20), hard))
try:
    big.json()
except MemoryError:
    print("refused")
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs RLIMIT_AS and /proc")
def test_an_answer_that_memory_is_too_small_for_does_not_end_the_process() -> None:
    """Where orjson cannot have the memory for a text it writes beyond what it has."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_MEMORY], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "refused\n"), done.stderr[-2000:]
