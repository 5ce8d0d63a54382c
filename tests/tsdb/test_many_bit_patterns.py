"""Random float64 bit patterns by the million come back bit for bit from the store and from exports.

`NOVAQL_BIT_PATTERNS=100000000 pytest tests/tsdb/test_many_bit_patterns.py` tries that many; it
takes minutes and a gigabyte of disk.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from novaql import tsdb
from novaql.saving import save
from novaql.tsdb.model.labels import LabelColumn, SeriesTable
from novaql.tsdb.model.samples import STALE_BITS, Bits

COUNT = int(os.environ.get("NOVAQL_BIT_PATTERNS", "2000000"))
SERIES, SAMPLES = 100, 10_000
TIMES = 1_700_000_000_000 + 15_000 * np.arange(SAMPLES)
ODD = np.array(
    [
        *(0, 1 << 63),  # both zeros
        *(1, 0x000FFFFFFFFFFFFF, 0x8000000000000001),  # subnormal
        *(0x7FF0000000000000, 0xFFF0000000000000),  # infinite
        *(STALE_BITS, 0x7FF0000000000001, 0xFFFFFFFFFFFFFFFF, 0x7FF8000000000000),  # no numbers
    ],
    np.uint64,
)


def chunks() -> int:
    return -(-COUNT // (SERIES * SAMPLES))


def patterns(chunk: int) -> Bits:
    """[SERIES, SAMPLES]: any bits; in some series one in ten is odd, in some all are."""
    rng = np.random.default_rng([11, chunk])
    bits = rng.integers(0, 2**64, (SERIES, SAMPLES), np.uint64)
    odd = rng.random((SERIES, SAMPLES)) < rng.choice([0, 0.1, 1], (SERIES, 1), p=[0.8, 0.15, 0.05])
    return np.where(odd, ODD[rng.integers(0, len(ODD), odd.shape)], bits)


def batch(chunk: int) -> tsdb.Batch:
    table = SeriesTable.from_columns(
        SERIES,
        {
            "__name__": LabelColumn.constant("m", SERIES),
            "chunk": LabelColumn.constant(str(chunk), SERIES),
            "row": LabelColumn.encode([str(row) for row in range(SERIES)]),
        },
    )
    rows = np.repeat(np.arange(SERIES), SAMPLES)
    return tsdb.Batch(table, rows, np.tile(TIMES, SERIES), patterns(chunk).view(np.float64).ravel())


def stored(database: tsdb.Database, chunk: int) -> Bits:
    """As `patterns`, from the store."""
    matcher = tsdb.Matcher("chunk", tsdb.MatchOp.EQUAL, str(chunk))
    found = database.select([matcher], int(TIMES[0]), int(TIMES[-1]))
    out = np.zeros((SERIES, SAMPLES), np.uint64)
    row = np.array([int(text) for text in found.series.column("row").texts()])
    for view in found.views():
        flat = view.ragged()
        assert flat.offsets is not None
        assert (np.diff(flat.offsets) == SAMPLES).all()
        assert (flat.timestamps.reshape(-1, SAMPLES) == TIMES).all()
        out[row[flat.rows]] = flat.values.view(np.uint64).reshape(-1, SAMPLES)
    return out


def differing(database: tsdb.Database) -> Iterator[int]:
    for chunk in range(chunks()):
        yield int(np.count_nonzero(stored(database, chunk) != patterns(chunk)))


@pytest.mark.slow
def test_every_bit_comes_back(tmp_path: Path) -> None:
    with tsdb.open(tmp_path, sync="os", cache_bytes=0, compaction=False) as database:
        for chunk in range(chunks()):
            database.append(batch(chunk))
        assert sum(differing(database)) == 0  # some in blocks, some in the head
        database.flush()
        assert sum(differing(database)) == 0
        database.compact()
        assert database.stats().blocks == 1
        assert database.stats().block_samples == chunks() * SERIES * SAMPLES >= COUNT
    with tsdb.open(tmp_path, read_only=True, cache_bytes=0) as database:
        assert sum(differing(database)) == 0
        for form in ("parquet", "arrow"):
            path = tmp_path / f"all.{form}"
            assert save(database, path, format=form).samples == chunks() * SERIES * SAMPLES
            assert exported_differing(path) == 0
            path.unlink()


def exported_differing(path: Path) -> int:
    """How many values of a file are not what they were, or not there."""
    found = np.zeros((chunks(), SERIES, SAMPLES), np.uint64)
    seen = np.zeros(found.shape, np.bool_)
    for part in tables(path):
        place = (
            pc.cast(part["chunk"].cast(pa.string()), pa.int64()).to_numpy(),
            pc.cast(part["row"].cast(pa.string()), pa.int64()).to_numpy(),
            (part["time"].cast(pa.int64()).to_numpy() - int(TIMES[0])) // 15_000,
        )
        assert not seen[place].any()
        seen[place] = True
        found[place] = part["value"].to_numpy().view(np.uint64)
    assert seen.all()
    return sum(int(np.count_nonzero(found[n] != patterns(n))) for n in range(chunks()))


def tables(path: Path) -> Iterator[pa.Table]:
    if path.suffix == ".parquet":
        parquet = pq.ParquetFile(path)
        for group in range(parquet.num_row_groups):
            yield parquet.read_row_group(group)
    else:
        with path.open("rb") as file, pa.ipc.open_stream(file) as stream:
            for part in stream:
                yield pa.Table.from_batches([part])
