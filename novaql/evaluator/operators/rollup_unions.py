"""Functions that return several series for each, which differ in a label: `rollup(m[1h])`."""

from __future__ import annotations

from dataclasses import replace

from novaql.evaluator.context import CELL_BYTES
from novaql.evaluator.made_labels import MadeLabels
from novaql.evaluator.matrix import JOINED_BYTES, StepMatrix, join_equal_rows, stack
from novaql.evaluator.operator import Operator
from novaql.evaluator.operators.label_calls import check_destination
from novaql.evaluator.protocol import Runner
from novaql.language.value_types import ValueType
from novaql.text.go_text import go_number
from novaql.tsdb.model.labels import LabelColumn


def rollup_union(run: Runner, operator: Operator) -> StepMatrix:
    """The vectors of a union, one after another; the label of each has the value beside it."""
    name, *parts = operator.operands
    label, function = run.text(name), operator.call.function
    made = MadeLabels(run.context, function, name.plan.span)
    check_destination(label, function, name.plan.span)
    made.check_name(label)
    matrices = []
    rows = 0
    for value, vector in zip(parts[::2], parts[1::2], strict=True):
        found = run.vector(vector)
        rows += found.rows
        run.context.admit_cells(rows, found.steps, CELL_BYTES + JOINED_BYTES, function)
        text = made.text(_text(run, value))
        series = found.series.with_column(label, LabelColumn.constant(text, found.rows))
        found = replace(found, series=series)
        matrices.append(found.mark_nameless() if function == "aggr_over_time" else found)
    return join_equal_rows(stack(matrices))


def _text(run: Runner, value: Operator) -> str:
    if value.type is ValueType.STRING:
        return run.text(value)
    steps = run.scalar(value)
    return go_number(float(steps[0])) if len(steps) else ""
