"""The interface between operators and the evaluator that runs them."""

from __future__ import annotations

from typing import Protocol

from novaql.evaluator.context import Context
from novaql.evaluator.kernels.windows import Floats
from novaql.evaluator.matrix import StepMatrix
from novaql.evaluator.operator import Operator
from novaql.evaluator.pipeline.model import Pipeline


class Runner(Protocol):
    """Runs operators below an operator.

    Every method may be called any number of times. The matrices that it returns must not be
    changed: operators create new arrays.
    """

    @property
    def context(self) -> Context: ...

    def vector(self, operator: Operator) -> StepMatrix:
        """An instant vector at each step; rows that are absent at every step may remain."""
        ...

    def scalar(self, operator: Operator) -> Floats:
        """[J] numbers."""
        ...

    def text(self, operator: Operator) -> str:
        """A string constant."""
        ...

    def pipeline(self, operator: Operator) -> Pipeline | None:
        """The operator as a pipeline if it can run as one; else None, and nothing was done."""
        ...
