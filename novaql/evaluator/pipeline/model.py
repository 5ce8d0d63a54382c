"""What a pipeline is: where its samples come from, the rollup, and the stages above it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from novaql.evaluator.kernels import dispatch
from novaql.evaluator.kernels.strips import StripRollup, WindowSpec
from novaql.evaluator.kernels.windows import Bools, Floats, Ints
from novaql.evaluator.pipeline.block import Block
from novaql.evaluator.steps import Steps
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.samples import Tile
from novaql.tsdb.model.series_batch import SeriesBatchRef

TilesOf = Callable[[], Iterable[Tile]]
"""Reads some samples of a selection, a batch or so, and returns them as tiles. May be called on any
thread, more than once."""

Stage = Callable[[Floats, Bools | None], tuple[Floats, Bools | None]]


@dataclass(frozen=True, slots=True, eq=False)
class BatchLeaf:
    """What `Fragment.leaf` is, over batches.

    batches  of the same samples as the fragment's tiles
    visible  a staleness marker after its newest sample hides a window
    whole_windows  the rollup looks at all samples of each window
    watch    is told rows that have any value, in order
    """

    batches: Sequence[SeriesBatchRef]
    spec: WindowSpec
    rollup: StripRollup
    visible: bool = False
    whole_windows: bool = False
    watch: Callable[[Ints], None] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Fragment:
    """series: labels of all rows; tiles: their samples; nameless: whether the name is marked to go.

    observe  is told each block after the leaf, before the stages (for annotations)
    window_ms  of windows whose samples the leaf looks at, all of them at each step; a tile that
               has too many is worked off in pieces, so that a checkpoint is never far. 0: it does
               not
    has_histograms  the selection holds native histograms, which a fragment cannot take
    batched  the same over batches, for compiled kernels; None: there are none for it
    """

    series: SeriesTable
    steps: Steps
    tiles: Sequence[TilesOf]
    leaf: Callable[[Tile], Block]
    stages: tuple[Stage, ...]
    nameless: bool
    observe: Callable[[Block], None] | None = None
    has_histograms: bool = False
    window_ms: int = 0
    batched: BatchLeaf | None = None

    def staged(self, leaf: Block) -> Block:
        """What the stages make of a block of the leaf. Packed if it is and there are none."""
        if not self.stages:
            return leaf
        leaf = leaf.dense()
        values, valid = leaf.values, leaf.valid
        for stage in self.stages:
            values, valid = stage(values, valid)
        return Block(leaf.rows, values, valid)


def usable(leaf: BatchLeaf | None) -> bool:
    """Whether compiled kernels answer: asked once for each use of a fragment."""
    if leaf is None:
        return False
    samples = sum(ref.samples for ref in leaf.batches)
    return dispatch.ready(samples + len(leaf.spec.ends_ms))
