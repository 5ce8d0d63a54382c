"""A plan as it runs: every node at its own steps, with its operands and the samples that it
reads."""

from __future__ import annotations

from novaql.evaluator.operators.reads import Read
from novaql.evaluator.steps import Steps
from novaql.fast_dataclass import dataclass
from novaql.language.value_types import ValueType
from novaql.planner.logical import (
    Aggregation,
    BinaryOp,
    FunctionCall,
    Plan,
    Select,
    SubqueryWindow,
    Window,
    type_of,
)


@dataclass(frozen=True, slots=True, eq=False)
class Operator:
    """A node of a plan, created by `lower`, that has not run.

    steps     the steps of its result; of a range vector, those of its windows
    operands  left and right side; arguments of a call; what is aggregated, and the parameters
    read      what a selector or its range reads; None of other nodes
    """

    plan: Plan
    steps: Steps
    operands: tuple[Operator, ...] = ()
    read: Read | None = None

    @property
    def type(self) -> ValueType:
        return type_of(self.plan)

    @property
    def call(self) -> FunctionCall:
        assert isinstance(self.plan, FunctionCall)
        return self.plan

    @property
    def aggregation(self) -> Aggregation:
        assert isinstance(self.plan, Aggregation)
        return self.plan

    @property
    def binary(self) -> BinaryOp:
        assert isinstance(self.plan, BinaryOp)
        return self.plan

    @property
    def reads(self) -> Read:
        """The samples that a selector or its range reads."""
        assert self.read is not None
        return self.read

    @property
    def select(self) -> Select:
        """The selector itself, or the selector of the range."""
        return self.reads.select

    @property
    def range(self) -> Operator:
        """The one argument of a call that is a range vector."""
        for operand in self.operands:
            if isinstance(operand.plan, Window | SubqueryWindow):
                return operand
        raise AssertionError(f"{self.call.function} has no range vector")

    def left_spine(self) -> list[Operator]:
        """The operators down the left side, lowest first: see `language.ast.left_spine`."""
        spine = [self]
        while isinstance(spine[-1].operands[0].plan, BinaryOp):
            spine.append(spine[-1].operands[0])
        spine.reverse()
        return spine
