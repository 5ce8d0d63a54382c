"""Every float64 bit pattern and every time comes back as it went in."""

from __future__ import annotations

import tempfile
from collections.abc import Callable

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from novaql import tsdb
from novaql.tsdb import STALE, Batch, SeriesTable
from novaql.tsdb.model.samples import Floats
from tests.support.store.model import Model, batch_of, from_bits, read_all

SPECIAL = [
    0x0000000000000000, 0x8000000000000000,  # both zeros
    0x7FF0000000000000, 0xFFF0000000000000,  # infinities
    0x7FF0000000000002, 0x7FF8000000000001, 0xFFF8000000000000, 0x7FF4000000000000,  # NaNs
    0x0000000000000001, 0x000FFFFFFFFFFFFF, 0x7FEFFFFFFFFFFFFF,  # smallest and largest
]  # fmt: skip

patterns = st.lists(st.sampled_from(SPECIAL) | st.integers(0, 2**64 - 1), min_size=1, max_size=50)


@pytest.mark.slow
@given(patterns)
@settings(max_examples=30, deadline=None)
def test_bits_survive_log_and_block(values: list[int]) -> None:
    samples = [({"__name__": "m", "i": str(n % 2)}, n, from_bits(v)) for n, v in enumerate(values)]
    model = Model()
    model.append(samples)
    with tempfile.TemporaryDirectory() as folder:
        with tsdb.open(folder, sync="os") as database:
            database.append(batch_of(samples))
            assert read_all(database) == model.select()
        with tsdb.open(folder, sync="os") as database:
            assert read_all(database) == model.select()
            database.flush()
            assert read_all(database) == model.select()
        with tsdb.open(folder, read_only=True) as database:
            assert read_all(database) == model.select()


Shape = Callable[[np.random.Generator, int], Floats]

SHAPES: dict[str, Shape] = {
    "random bits": lambda rng, n: rng.integers(0, 2**64, n, np.uint64).view(np.float64),
    "counter": lambda rng, n: np.cumsum(rng.poisson(30, n)).astype(float),
    "two decimals": lambda rng, n: np.round(rng.normal(40, 3, n), 2),
    "constant": lambda _, n: np.full(n, 3.5),
    "with stale markers": lambda rng, n: np.where(rng.random(n) < 0.01, STALE, rng.poisson(5, n)),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("length", [1, 4096, 4097, 70_000])
def test_long_columns_survive(shape: str, length: int) -> None:
    """Pages, long rows in several pages, and slices of them."""
    rng = np.random.default_rng(length)
    table = SeriesTable.from_dicts([{"__name__": "m", "i": str(i)} for i in range(3)])
    values = SHAPES[shape](rng, 3 * length)
    times = np.tile(np.arange(length) * 15_000, 3)
    with tempfile.TemporaryDirectory() as folder, tsdb.open(folder, sync="os") as database:
        database.append(Batch(table, np.repeat(np.arange(3), length), times, values))
        database.flush()
        for start, end in [(0, length), (length // 3, length // 2 + 1), (length - 1, length)]:
            selection = database.select([], start * 15_000, end * 15_000 - 1)
            found: dict[str, bytes] = {}
            for view in selection.views():
                flat = view.ragged()
                assert flat.offsets is not None
                for at, row in enumerate(flat.rows.tolist()):
                    part = flat.values[flat.offsets[at] : flat.offsets[at + 1]]
                    number = selection.series.labels(row)["i"]
                    found[number] = found.get(number, b"") + part.tobytes()
            assert found == {
                str(i): values[i * length + start : i * length + end].tobytes() for i in range(3)
            }
