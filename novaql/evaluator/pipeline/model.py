"""What a pipeline is: where its samples come from, the rollup, and the stages above it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from novaql.evaluator.kernels.dispatch import KERNELS
from novaql.evaluator.kernels.strips import StripRollup, WindowSpec
from novaql.evaluator.kernels.windows import Bools, Floats, Ints
from novaql.evaluator.pipeline.block import Block
from novaql.evaluator.steps import Steps
from novaql.tsdb.model.batch_views import SeriesView
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.series_batch import SeriesBatchRef

ViewsOf = Callable[[], Iterable[SeriesView]]
"""Reads a part of a selection, usually one batch, and returns views of it. Any thread may call it,
more than once."""

Stage = Callable[[Floats, Bools | None], tuple[Floats, Bools | None]]
"""(values, valid) → (values, valid): changes each value by itself."""


@dataclass(frozen=True, slots=True, eq=False)
class BatchLeaf:
    """The rollup of a fragment for compiled kernels, which work on whole batches.

    batches        the same samples as the fragment's views
    visible        a window has no value if a staleness marker follows its newest sample
    whole_windows  the rollup reads all samples of each window, so that its cost grows with them
    watch          called with the rows that have a value at some step, batch after batch in order
    """

    batches: Sequence[SeriesBatchRef]
    spec: WindowSpec
    rollup: StripRollup
    visible: bool = False
    whole_windows: bool = False
    watch: Callable[[Ints], None] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Fragment:
    """A pipeline: samples, a rollup (the leaf), and stages.

    series          labels of all rows
    steps           the steps of the result
    views           the samples, for NumPy
    leaf            NumPy rollup: a view → a block of some rows at all steps
    stages          applied to each block, in this order
    nameless        the metric name is to be dropped at the end of the query
    observe         called with each block of the leaf, before the stages (for annotations)
    has_histograms  the selection has native histograms: the pipeline must not run
    window_ms       length of the windows if the leaf reads all of their samples: large views are
                    then divided, so that checkpoints are frequent. Otherwise 0
    batched         the same rollup for compiled kernels; None: there is none
    """

    series: SeriesTable
    steps: Steps
    views: Sequence[ViewsOf]
    leaf: Callable[[SeriesView], Block]
    stages: tuple[Stage, ...]
    nameless: bool
    observe: Callable[[Block], None] | None = None
    has_histograms: bool = False
    window_ms: int = 0
    batched: BatchLeaf | None = None

    def staged(self, leaf: Block) -> Block:
        """A block of the leaf after all stages. It remains packed if there are no stages."""
        if not self.stages:
            return leaf
        leaf = leaf.dense()
        values, valid = leaf.values, leaf.valid
        for stage in self.stages:
            values, valid = stage(values, valid)
        return Block(leaf.rows, values, valid)


def usable(leaf: BatchLeaf | None) -> bool:
    """Whether compiled kernels run this rollup. Call it once for each run: it counts the work, and
    starts to compile the kernels after enough of it."""
    if leaf is None:
        return False
    samples = sum(ref.samples for ref in leaf.batches)
    return KERNELS.ready(samples + len(leaf.spec.ends_ms)) is not None
