"""The parts of a pipeline: the source of its samples, the rollup, and the stages above it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from novaql.evaluator.kernels.dispatch import KERNELS
from novaql.evaluator.kernels.strips import StripRollup, WindowSpec
from novaql.evaluator.kernels.windows import Bools, Floats, Ints
from novaql.evaluator.pipeline.block import Block
from novaql.evaluator.steps import Steps
from novaql.fast_dataclass import dataclass
from novaql.tsdb.model.batch_views import SeriesView
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.series_batch import SeriesBatchRef

ViewsOf = Callable[[], Iterable[SeriesView]]
"""Reads a part of a selection, usually one batch, and returns views of it. Any thread may call it,
more than once."""

Stage = Callable[[Floats, Bools | None], tuple[Floats, Bools | None]]
"""(values, valid) → (values, valid): changes each value by itself."""


@dataclass(frozen=True, slots=True, eq=False)
class CompiledRollup:
    """Source and rollup of a pipeline that compiled kernels run, which work on whole batches.

    batches        the same samples as the pipeline's views
    visible        a window has no value if a staleness marker follows its newest sample
    whole_window   the rollup reads all samples of each window, so that its cost grows with them
    slides         but reads each of them once
    watch          called with the rows that have a value at some step, batch after batch in order
    """

    batches: Sequence[SeriesBatchRef]
    spec: WindowSpec
    rollup: StripRollup
    visible: bool = False
    whole_window: bool = False
    slides: bool = False
    watch: Callable[[Ints], None] | None = None

    def if_ready(self) -> CompiledRollup | None:
        """Choose the back end of a pipeline: itself, or None if NumPy is to run the pipeline.

        Call it once for each pipeline: it counts the work, and compilation starts after
        enough of it.
        """
        samples = sum(ref.samples for ref in self.batches)
        return None if KERNELS.ready(samples + len(self.spec.ends_ms)) is None else self


@dataclass(frozen=True, slots=True, eq=False)
class Pipeline:
    """Source → rollup → stages. `fold` or `collect` runs it.

    series          labels of all rows
    steps           the steps of the result
    views           source: the samples, for NumPy
    leaf            rollup by NumPy: a view → a block of some rows at all steps
    nameless        the metric name is to be dropped at the end of the query
    stages          applied to each block, in this order
    observe         called with each block of the leaf, before the stages (for annotations)
    has_histograms  the selection has native histograms: the pipeline must not run
    window_ms       length of the windows if the leaf reads all of their samples: large views are
                    then divided, so that checkpoints are frequent. Otherwise 0
    compiled        the same for compiled kernels, which then run the pipeline; None: NumPy does
    """

    series: SeriesTable
    steps: Steps
    views: Sequence[ViewsOf]
    leaf: Callable[[SeriesView], Block]
    nameless: bool
    stages: tuple[Stage, ...] = ()
    observe: Callable[[Block], None] | None = None
    has_histograms: bool = False
    window_ms: int = 0
    compiled: CompiledRollup | None = None

    def staged(self, leaf: Block) -> Block:
        """A block of the leaf after all stages. Without stages it remains packed."""
        if not self.stages:
            return leaf
        leaf = leaf.dense()
        values, valid = leaf.values, leaf.valid
        for stage in self.stages:
            values, valid = stage(values, valid)
        return Block(leaf.rows, values, valid)
