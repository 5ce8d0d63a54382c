"""The promises between operators and the evaluator that runs them, written once."""

from __future__ import annotations

from typing import Protocol

from novaql.evaluator.context import Context
from novaql.evaluator.kernels.windows import Floats
from novaql.evaluator.matrix import StepMatrix, Value
from novaql.evaluator.pipeline.model import Fragment
from novaql.evaluator.steps import Steps
from novaql.planner.logical import Plan


class Runner(Protocol):
    """Evaluates plans below an operator.

    Every method may be called any number of times, for any steps. Matrices it returns are not
    changed by anyone: operators make new arrays.
    """

    @property
    def context(self) -> Context: ...

    def value(self, plan: Plan, steps: Steps) -> Value:
        """A plan of any type but range vector."""
        ...

    def vector(self, plan: Plan, steps: Steps) -> StepMatrix:
        """An instant vector at each step; rows that are absent at every step may remain."""
        ...

    def scalar(self, plan: Plan, steps: Steps) -> Floats:
        """[J] numbers."""
        ...

    def text(self, plan: Plan) -> str:
        """A string constant."""
        ...

    def fragment(self, plan: Plan, steps: Steps) -> Fragment | None:
        """The plan as a fragment, if it can run batch by batch; else None, and nothing was done."""
        ...
