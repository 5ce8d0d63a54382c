"""A process ends though DuckDB has not read all rows of an answer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from novaql import tsdb
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.samples import Batch

pytestmark = pytest.mark.slow

SERIES, SAMPLES = 100, 10_000
STATEMENT = "SELECT * FROM m LIMIT 100"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A million samples: more than a scan reads ahead."""
    place = tmp_path_factory.mktemp("ends") / "store"
    table = SeriesTable.from_dicts([{"__name__": "m", "i": str(i)} for i in range(SERIES)])
    times = np.tile(np.arange(SAMPLES, dtype=np.int64) * 1000, SERIES)
    with tsdb.open(place) as database:
        database.append(
            Batch(
                table,
                np.repeat(np.arange(SERIES), SAMPLES),
                times,
                np.arange(len(times), dtype=np.float64),
            )
        )
    return place


@pytest.mark.parametrize(
    "arguments",
    [
        ["-m", "novaql", "sql", STATEMENT, "--data"],
        ["-c", f"import novaql, sys; novaql.sql({STATEMENT!r}, sys.argv[1]).show(max_rows=3)"],
    ],
)
def test_an_answer_that_is_not_read_to_its_end(store: Path, arguments: list[str]) -> None:
    for _ in range(3):
        ended = subprocess.run(
            [sys.executable, *arguments, str(store)],
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert (ended.returncode, ended.stderr[:200]) == (0, "")
        assert "time" in ended.stdout
