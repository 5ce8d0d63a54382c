"""Service level objectives: burn rate and what is left of an error budget.

An objective is a decimal, as 0.999, of which a float is only near. The budget is computed from the
shortest decimal of the float, as a fraction of whole numbers: 1/1000.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from novaql.errors import EvaluationError
from novaql.evaluator.kernels.windows import Floats
from novaql.evaluator.matrix import StepMatrix
from novaql.evaluator.operator import Operator
from novaql.evaluator.operators.vector_vector import vector_vector
from novaql.evaluator.protocol import Runner
from novaql.planner.logical import BinaryOp, Nothing
from novaql.span import Span
from novaql.text.go_text import go_number, shortest_decimal

LARGEST_DENOMINATOR = 10**20
"""No float from 0.001 up has a larger one. That of a tiny objective makes sums overflow."""


def _budgets(objectives: Floats, function: str, span: Span) -> tuple[Floats, Floats]:
    """Numerator and denominator of 1 less each objective."""
    wrong = objectives[~((objectives >= 0) & (objectives < 1))]
    if len(wrong):
        raise EvaluationError(
            f"{function}(): the objective must be at least 0 and less than 1, as in 0.999, got "
            f"{go_number(float(wrong[0]))}",
            span,
        )
    found = {one: _budget(one) for one in set(objectives.tolist())}
    both = np.array([found[one] for one in objectives.tolist()]).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _budget(objective: float) -> tuple[float, float]:
    budget = 1 - Fraction(shortest_decimal(objective))
    if budget.denominator > LARGEST_DENOMINATOR:
        return 1 - objective, 1.0
    return float(budget.numerator), float(budget.denominator)


def burn_rate(run: Runner, operator: Operator) -> StepMatrix:
    """The share of bad events, divided by the share that the objective allows."""
    below, objective = operator.operands
    function, span = operator.call.function, objective.plan.span
    numerator, denominator = _budgets(run.scalar(objective), function, span)
    found = run.vector(below).floats_only()
    with np.errstate(all="ignore"):
        values = found.values * denominator / numerator
    return replace(found, values=values).mark_nameless()


def error_budget_remaining(run: Runner, operator: Operator) -> StepMatrix:
    """1 less the share of the budget that bad events have used; absent without events.

    (n × total - d × bad) / (n × total) for a budget of n/d: whole numbers until they are divided.
    """
    good_of, total_of, objective = operator.operands
    call = operator.call
    numerator, denominator = _budgets(run.scalar(objective), call.function, objective.plan.span)
    good, total = run.vector(good_of).floats_only(), run.vector(total_of).floats_only()
    total = replace(total, valid=total.presence() & (total.values > 0)).without_empty_rows()

    def between(op: str, left: StepMatrix, right: StepMatrix) -> StepMatrix:
        nothing = Nothing(span=call.span)
        return vector_vector(
            run.context, BinaryOp(op, nothing, nothing, span=call.span), left, right
        )

    allowed = replace(total, values=total.values * numerator)
    bad = between("-", total, good)
    used = replace(bad, values=bad.values * denominator)
    return between("/", between("-", allowed, used), allowed).mark_nameless()
