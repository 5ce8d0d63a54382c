"""CSV in pieces: what a writer has in memory does not grow with the result."""

from __future__ import annotations

import tracemalloc
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pytest

from novaql.export import arrow
from novaql.export.csv_text import csv_pieces
from novaql.result import Result, ResultKind
from novaql.tsdb.model.labels import SeriesTable
from tests.support.generators.results import NOON_MS

MIB = 1 << 20


def result_of(rows: int, steps: int, *, label: str = "") -> Result:
    """A matrix of different values."""
    values = np.arange(rows * steps, dtype=np.float64).reshape(rows, steps) / 7
    series = SeriesTable.from_dicts([{"n": f"{n:03}{label}"} for n in range(rows)])
    return Result(ResultKind.MATRIX, series, NOON_MS + 1000 * np.arange(steps), values)


def test_a_writer_has_a_part_of_a_large_result_in_memory() -> None:
    result = result_of(200, 5000)
    tracemalloc.start()
    arrow_before = pa.total_allocated_bytes()
    try:
        pieces = csv_pieces(result)
        next(pieces), next(pieces)
        held = tracemalloc.get_traced_memory()[0] + pa.total_allocated_bytes() - arrow_before
    finally:
        tracemalloc.stop()
    assert held < 16 * MIB  # all times and rows of the million samples are 60 MiB


@pytest.mark.slow
def test_pieces_with_long_labels_are_small() -> None:
    result = result_of(40, 50, label="x" * 60_000)
    pieces = list(csv_pieces(result))
    assert max(map(len, pieces)) < 2 * MIB
    assert b"".join(pieces).count(b"\r\n") == 2001


@pytest.mark.parametrize("samples", [1, 7, 50])
def test_pieces_of_any_size_join_to_the_same_text(samples: int) -> None:
    result = result_of(5, 9)
    whole = b"".join(csv_pieces(result))
    with patch.object(arrow, "SAMPLES_AT_ONCE", samples):
        assert b"".join(csv_pieces(result)) == whole
