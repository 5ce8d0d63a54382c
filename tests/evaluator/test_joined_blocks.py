"""Small blocks are folded together, and the answer does not change by it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from novaql import QueryOptions, Result, evaluate
from novaql.evaluator.kernels.dispatch import Mode, forced
from novaql.evaluator.pipeline import tile_run
from novaql.evaluator.pipeline.block import Block
from novaql.inputs.tables.table_source import TableSource
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.samples import Tile


def targets() -> TableSource:
    """Forty targets of three series, each with times of its own; some are there for a while."""
    rng = np.random.default_rng(3)
    labels: list[dict[str, str]] = []
    tiles = []
    for number in range(40):
        times = np.arange(1000 + number, 3_600_000, 15_000, dtype=np.int64)
        times = times[60:120] if number % 7 == 0 else times
        values = rng.integers(0, 9, (3, len(times))).cumsum(axis=1).astype(float)
        rows = np.arange(3, dtype=np.int64) + len(labels)
        tiles.append(Tile(rows, times, values))
        labels += [
            {"__name__": "m_total", "i": f"{number:02}", "job": str(number % 4), "n": str(n)}
            for n in range(3)
        ]
    return TableSource.from_tiles(SeriesTable.from_dicts(labels), tiles)


@pytest.mark.parametrize("op", ["sum", "avg", "count", "min", "max", "group", "stddev"])
@pytest.mark.parametrize("operand", ["rate(m_total[2m])", "m_total > 100", "-m_total"])
def test_joined_blocks_give_the_same(
    op: str, operand: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, options = targets(), QueryOptions(60_000, 3_540_000, 60_000)
    sizes: list[int] = []
    joined = Block.joined

    def noting(some: Sequence[Block]) -> Block:
        sizes.append(len(some))
        return joined(some)

    monkeypatch.setattr(Block, "joined", noting)
    with forced(Mode.OFF):
        together = evaluate(f"{op} by (job) ({operand})", source, options)
        monkeypatch.setattr(tile_run, "JOINED_CELLS", 0)
        apart = evaluate(f"{op} by (job) ({operand})", source, options)

    assert max(sizes) > 10
    assert together.series.dicts() == apart.series.dicts()
    np.testing.assert_allclose(together.values, apart.values, rtol=1e-12)
    assert present(together) == present(apart)


def present(result: Result) -> list[list[bool]] | None:
    return None if result.valid is None else result.valid.tolist()
