"""Which samples a selector or a range reads: operators and the estimate of a query use the same."""

from __future__ import annotations

import numpy as np

from novaql.errors import LimitExceeded
from novaql.evaluator.context import Context
from novaql.evaluator.kernels.windows import Ints
from novaql.evaluator.selections import changed, scales
from novaql.evaluator.steps import Steps
from novaql.fast_dataclass import dataclass
from novaql.planner.logical import MEMBER, SampleStage, Select, Window
from novaql.tsdb.model.source import RangeWindows, Selection


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """The samples of (end - reach_ms, end + ahead_ms] of each window.

    ends_ms   [J] right end of the window of each step; all equal where `@` pins it
    range_ms  length of the windows: that of the range, or the lookback
    reach_ms  how far left of their ends samples are read, exclusively
    ahead_ms  how far right of them
    stages    what happens to the samples
    """

    select: Select
    ends_ms: Ints
    range_ms: int
    reach_ms: int
    ahead_ms: int = 0
    stages: tuple[SampleStage, ...] = ()

    @classmethod
    def of(cls, context: Context, plan: Select | Window, steps: Steps) -> Read:
        """Return what a plan reads at these steps, before any of it is read."""
        lookback_ms = context.options.lookback_ms
        select, range_ms = plan, lookback_ms
        stages: tuple[SampleStage, ...] = ()
        if isinstance(plan, Window):
            select, range_ms, stages = plan.select, plan.range_ms, plan.stages
        assert isinstance(select, Select)
        ends_ms = steps.times_ms if select.at_ms is None else np.full(steps.count, select.at_ms)
        ends_ms = ends_ms - select.offset_ms
        ahead_ms = lookback_ms if select.smoothed else 0
        reach_ms = context.reach_ms(range_ms)
        if select.anchored or select.smoothed:  # the ends of ranges may lie on earlier samples
            reach_ms = range_ms + (lookback_ms if isinstance(plan, Window) else 0)
        return cls(select, ends_ms, range_ms, reach_ms, ahead_ms, stages)

    @property
    def span_ms(self) -> tuple[int, int]:
        """First and last time of all windows."""
        first, last = int(self.ends_ms[0]), int(self.ends_ms[-1])
        return first - self.reach_ms + 1, last + self.ahead_ms

    def selection(self, context: Context, windows: RangeWindows | None = None) -> Selection:
        """Return the samples to be read, admitted to the budget. Raises `LimitExceeded`.

        windows  all that the floats are for, if that is known
        """
        select = self.select
        if self.stages:
            windows = None  # cells do not describe single samples
        try:
            found = context.select(
                select.matchers, *self.span_ms, windows, select.labels, select.alternatives
            )
        except LimitExceeded as problem:
            problem.span = problem.span or select.span
            raise
        if not self.stages:
            return found
        refused = next((stage for stage in self.stages if not scales(stage)), None)
        if refused is not None and any(ref.samples for ref in found.histograms):
            name = "==" if refused.function == MEMBER else refused.function
            context.annotations.info(
                f"ignored histograms in a range whose samples are operands of {name}", select.span
            )
        return changed(found, self.stages)
