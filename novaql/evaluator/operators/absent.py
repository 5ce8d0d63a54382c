"""absent and absent_over_time: 1 at steps without a value."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from novaql.evaluator.kernels.windows import Bools
from novaql.evaluator.matrix import StepMatrix, matrix
from novaql.evaluator.operator import Operator
from novaql.evaluator.operators.extended import check_modifier
from novaql.evaluator.operators.mixed_rollup import mixed_window_rollup
from novaql.evaluator.operators.rollup import (
    rollup_pipeline,
)
from novaql.evaluator.operators.subquery import subquery_rollup
from novaql.evaluator.pipeline.view_run import blocks
from novaql.evaluator.protocol import Runner
from novaql.planner.logical import Plan, Select, Window
from novaql.planner.pipelined import unwrap
from novaql.tsdb.model.labels import METRIC_NAME, SeriesTable
from novaql.tsdb.model.matchers import MatchOp


def absent(run: Runner, operator: Operator) -> StepMatrix:
    """`absent(v)`."""
    operand = run.vector(operator.operands[0])
    return _result(operator.call.arguments[0], operand.steps_present())


def absent_over_time(run: Runner, operator: Operator) -> StepMatrix:
    """`absent_over_time(m)`: over all series together."""
    present = replace(operator, plan=replace(operator.call, function="present_over_time"))
    window = operator.range.plan
    some = np.zeros(operator.steps.count, np.bool_)
    if isinstance(window, Window):
        check_modifier(operator.call, window.select)
        pipeline = rollup_pipeline(run, present)
        if pipeline.has_histograms:
            found = mixed_window_rollup(run, present)
            return _result(window.select, found.steps_present())
        for there in blocks(pipeline, run.context, lambda block: block.presence().any(axis=0)):
            some |= there
        return _result(window.select, some)
    return _result(window, subquery_rollup(run, present).steps_present())


def _result(operand: Plan, present: Bools) -> StepMatrix:
    labels = SeriesTable.from_dicts([_pinned_labels(unwrap(operand))])
    found = matrix(labels, np.ones((1, len(present))), ~present[None, :])
    return found.without_empty_rows()


def _pinned_labels(operand: Plan) -> dict[str, str]:
    """Labels that a plain selector pins with `=`; one that is matched again is left out."""
    if not isinstance(operand, Select):
        return {}
    labels: dict[str, str] = {}
    seen: set[str] = set()
    for matcher in operand.matchers:
        if matcher.name == METRIC_NAME:
            continue
        if matcher.op is MatchOp.EQUAL and matcher.name not in seen:
            labels[matcher.name] = matcher.value
            seen.add(matcher.name)
        else:
            labels.pop(matcher.name, None)
    return labels
