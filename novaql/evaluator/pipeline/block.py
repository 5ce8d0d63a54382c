"""The result of a pipeline for a view of a batch: some series at every step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from novaql.evaluator.kernels.windows import Bools, Floats, Ints, Windows
from novaql.fast_dataclass import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Rows of a pipeline's series table at J steps.

    Most series of churn are there for few of the steps, so a block may be packed: it has the cells
    that may hold a value, and no others.

    rows    [S] numbers in the series table
    values  [S, J]; packed: [C]
    valid   None (all there), or broadcasts to the shape of `values`
    cells   None; packed: [C] where each value belongs in a flat [S × J], increasing
    steps   J of a packed block
    """

    rows: Ints
    values: Floats
    valid: Bools | None
    cells: Ints | None = None
    steps: int = 0

    @classmethod
    def of(cls, rows: Ints, windows: Windows, values: Floats, valid: Bools) -> Block:
        """The result of a kernel over windows."""
        return cls(rows, values, valid, windows.cells, windows.grid[1])

    @classmethod
    def empty(cls, rows: Ints, steps: int) -> Block:
        """Series without a value."""
        nothing = np.zeros(0, np.int64)
        return cls(rows, np.zeros(0), None, nothing, steps)

    def dense(self) -> Block:
        """Return the block, not packed."""
        if self.cells is None:
            return self
        shape = (len(self.rows), self.steps)
        values = np.zeros(shape)
        values.reshape(-1)[self.cells] = self.values
        return Block(self.rows, values, self.presence())

    def presence(self) -> Bools:
        """[S, J]"""
        if self.cells is None:
            if self.valid is None:
                return np.ones(self.values.shape, np.bool_)
            return np.broadcast_to(self.valid, self.values.shape)
        there = np.zeros((len(self.rows), self.steps), np.bool_)
        there.reshape(-1)[self.cells] = True if self.valid is None else self.valid
        return there

    @staticmethod
    def joined(blocks: Sequence[Block]) -> Block:
        """The series of several blocks of the same steps, none packed, one after another."""
        if len(blocks) == 1:
            return blocks[0]
        valid = None
        if not all(block.valid is None or block.valid.all() for block in blocks):
            valid = np.concatenate([block.presence() for block in blocks])
        rows = np.concatenate([block.rows for block in blocks])
        return Block(rows, np.concatenate([block.values for block in blocks]), valid)

    def write(self, values: Floats, valid: Bools) -> None:
        """Into these rows of [all series, J]."""
        block = self.dense()
        values[self.rows] = block.values
        valid[self.rows] = True if block.valid is None else block.valid
