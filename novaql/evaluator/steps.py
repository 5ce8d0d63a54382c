"""The moments at which an expression is evaluated."""

from __future__ import annotations

import numpy as np

from novaql.evaluator.kernels.windows import Ints
from novaql.fast_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Steps:
    """count moments from start_ms, step_ms apart. An instant query is one step.

    step_ms is at least 1, also for one step.
    """

    start_ms: int
    step_ms: int
    count: int

    @classmethod
    def between(cls, start_ms: int, end_ms: int, step_ms: int) -> Steps:
        step_ms = max(step_ms, 1)
        return cls(start_ms, step_ms, max(0, (end_ms - start_ms) // step_ms + 1))

    @property
    def end_ms(self) -> int:
        return self.start_ms + (self.count - 1) * self.step_ms

    @property
    def times_ms(self) -> Ints:
        times = np.arange(self.count, dtype=np.int64)
        times *= self.step_ms
        times += self.start_ms
        return times

    def first(self) -> Steps:
        """The first moment alone."""
        return Steps(self.start_ms, self.step_ms, 1)

    def part(self, first: int, last: int) -> Steps:
        """Moments from one number up to another one, exclusively."""
        return Steps(self.start_ms + first * self.step_ms, self.step_ms, last - first)
