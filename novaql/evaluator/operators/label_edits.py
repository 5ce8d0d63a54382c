"""Functions of MetricsQL that change labels, or choose series by them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from novaql.errors import EvaluationError
from novaql.evaluator.kernels.windows import Bools
from novaql.evaluator.made_labels import MadeLabels
from novaql.evaluator.matrix import StepMatrix, stack
from novaql.evaluator.operator import Operator
from novaql.evaluator.operators.label_calls import (
    check_destination,
    checked_pattern,
    filled,
    joined_labels,
    put_column,
)
from novaql.evaluator.protocol import Runner
from novaql.evaluator.working_memory import admit_work
from novaql.language.value_types import ValueType
from novaql.planner.logical import Constant
from novaql.text.go_text import parse_go_float, template_parts
from novaql.tsdb.model.labels import METRIC_NAME, LabelColumn
from novaql.tsdb.model.matchers import Matcher, MatchOp


class _Edit:
    """One call: its operand, its texts, and what it writes."""

    def __init__(self, run: Runner, operator: Operator) -> None:
        self.function = operator.call.function
        self.checkpoint = run.context.checkpoint
        self.given = [one for one in operator.operands if one.type is ValueType.STRING]
        self.texts = [run.text(one) for one in self.given]
        self.numbers = [one for one in operator.operands if one.type is ValueType.SCALAR]
        self.made = MadeLabels(run.context, self.function, operator.call.span)
        parts = [run.vector(one) for one in operator.operands if one.type is ValueType.VECTOR]
        self.operand = stack(parts)
        admit_work(run.context, self.function, self.operand.rows, self.operand.steps)

    def pairs(self, first: int = 0) -> list[tuple[str, str]]:
        """The texts two by two. Raises `EvaluationError` if the last one is alone."""
        texts = self.texts[first:]
        if len(texts) % 2:
            message = f"{self.function}() takes its last arguments in pairs, one is missing"
            raise EvaluationError(message, self.given[-1].plan.span)
        return list(zip(texts[::2], texts[1::2], strict=True))

    def check_name(self, name: str) -> None:
        """Reject a text that cannot be the name of a label."""
        at = self.given[self.texts.index(name)]
        check_destination(name, self.function, at.plan.span)
        self.made.check_name(name)

    def put(self, name: str, column: LabelColumn, rows: Bools | None = None) -> None:
        """Write a label, in all rows or in some."""
        self.checkpoint()
        self.made.column(self.operand.rows)
        if rows is None:
            rows = np.ones(self.operand.rows, np.bool_)
        else:
            column = _where(rows, column, self.operand.series.column(name))
        self.operand = put_column(self.operand, name, column, rows)

    def map(self, name: str, change: Callable[[str], str]) -> None:
        """Replace the values of a label, each distinct one once."""
        self.checkpoint()
        column = self.operand.series.column(name)
        ids: dict[str, int] = {"": 0}
        texts = [change(value) for value in column.values]
        codes = np.array([ids.setdefault(self.made.text(t), len(ids)) for t in texts], np.int32)
        changed = np.array([a != b for a, b in zip(texts, column.values, strict=True)], np.bool_)
        new = LabelColumn(codes[column.codes], tuple(ids))
        self.made.column(self.operand.rows)
        self.operand = put_column(self.operand, name, new, changed[column.codes])

    def drop(self, names: list[str]) -> None:
        """Remove labels."""
        self.operand = replace(self.operand, series=self.operand.series.drop(names))

    def done(self) -> StepMatrix:
        """Return the operand with all changes. Raises `EvaluationError` if label sets have become
        equal."""
        return joined_labels(self.operand)


def _where(rows: Bools, column: LabelColumn, other: LabelColumn) -> LabelColumn:
    """The texts of a column in some rows, and of the other one elsewhere."""
    ids = {text: number for number, text in enumerate(other.values)}
    codes = np.array([ids.setdefault(text, len(ids)) for text in column.values], np.int32)
    return LabelColumn(np.where(rows, codes[column.codes], other.codes), tuple(ids))


def _set(edit: _Edit) -> None:
    for name, value in edit.pairs():
        edit.check_name(name)
        edit.put(name, LabelColumn.constant(edit.made.text(value), edit.operand.rows))


def _delete(edit: _Edit) -> None:
    edit.drop(edit.texts)


def _retain(edit: _Edit) -> None:
    edit.operand = replace(edit.operand, series=edit.operand.series.keep(edit.texts))


def _copy(edit: _Edit) -> None:
    for source, destination in edit.pairs():
        edit.check_name(destination)
        column = edit.operand.series.column(source)
        edit.put(destination, column, column.codes != 0)
        if edit.function == "label_move" and source != destination:
            edit.drop([source])


def _map(edit: _Edit) -> None:
    name = edit.texts[0]
    edit.check_name(name)
    to = dict(edit.pairs(1))
    edit.map(name, lambda value: to.get(value, value))


def _transform(edit: _Edit) -> None:
    name, pattern, template = edit.texts
    edit.check_name(name)
    regex = checked_pattern(pattern, edit.function, edit.given[1].plan.span)
    parts = template_parts(template, regex.groups, regex.groupindex)

    def transformed(value: str) -> str:
        return edit.made.replaced(regex, value, lambda match: filled(parts, match, value))

    edit.map(name, transformed)


def _change_case(edit: _Edit) -> None:
    change = str.lower if edit.function == "label_lowercase" else str.upper
    for name in edit.texts:
        edit.map(name, change)


def _graphite_group(edit: _Edit) -> None:
    chosen = [_group_number(edit, operand) for operand in edit.numbers]

    def grouped(name: str) -> str:
        groups = dict(enumerate(name.split(".")))
        return ".".join(groups.get(number, "") for number in chosen)

    edit.map(METRIC_NAME, grouped)


def _group_number(edit: _Edit, operand: Operator) -> int:
    if not isinstance(operand.plan, Constant):
        message = f"{edit.function}() takes constant numbers of groups"
        raise EvaluationError(message, operand.plan.span)
    value = operand.plan.value
    return int(value) if abs(value) < 2**31 else -1


def _alias(edit: _Edit) -> None:
    (name,) = edit.texts
    edit.made.check_name(name)
    edit.put(METRIC_NAME, LabelColumn.constant(edit.made.text(name), edit.operand.rows))


def _drop_common(edit: _Edit) -> None:
    edit.operand = edit.operand.without_empty_rows()
    columns = edit.operand.series.columns
    edit.drop([name for name, column in columns.items() if _is_constant(column)])


def _is_constant(column: LabelColumn) -> bool:
    codes = column.codes
    return bool(len(codes)) and bool((codes == codes[0]).all())


_EDITS: Mapping[str, Callable[[_Edit], None]] = {
    "label_set": _set,
    "label_del": _delete,
    "label_keep": _retain,
    "label_copy": _copy,
    "label_move": _copy,
    "label_map": _map,
    "label_transform": _transform,
    "label_lowercase": _change_case,
    "label_uppercase": _change_case,
    "label_graphite_group": _graphite_group,
    "alias": _alias,
    "drop_common_labels": _drop_common,
}


def _edited(run: Runner, operator: Operator) -> StepMatrix:
    edit = _Edit(run, operator)
    _EDITS[edit.function](edit)
    return edit.done()


def _matching(run: Runner, operator: Operator) -> StepMatrix:
    """The rows that label_match or label_mismatch chooses."""
    name, pattern = (run.text(one) for one in operator.operands[1:])
    checked_pattern(pattern, operator.call.function, operator.operands[2].plan.span)
    wrong = operator.call.function == "label_mismatch"
    matcher = Matcher(name, MatchOp.NOT_REGEX if wrong else MatchOp.REGEX, pattern)
    operand = run.vector(operator.operands[0])
    return operand.take(matcher.mask(operand.series.column(name)))


def _equal(run: Runner, operator: Operator) -> StepMatrix:
    """The rows in which all labels have one value."""
    operand = run.vector(operator.operands[0])
    first, *others = (operand.series.column(run.text(one)) for one in operator.operands[1:])
    same: Bools = np.ones(operand.rows, np.bool_)
    for column in others:
        run.context.checkpoint()
        number = {text: code for code, text in enumerate(column.values)}
        of_first = np.array([number.get(text, -1) for text in first.values], np.int32)
        same &= of_first[first.codes] == column.codes
    return operand.take(same)


def _value(run: Runner, operator: Operator) -> StepMatrix:
    """A label as a number."""
    operand = run.vector(operator.operands[0]).floats_only()
    column = operand.series.column(run.text(operator.operands[1]))
    admit_work(run.context, operator.call.function, operand.rows, operand.steps)
    parsed = [parse_go_float(text) for text in column.values]
    numbers = np.array([math.nan if n is None else n for n in parsed])[column.codes]
    values = np.broadcast_to(numbers[:, None], operand.values.shape)
    return replace(operand, values=values).take(~np.isnan(numbers)).mark_nameless()


LABEL_EDITS: Mapping[str, Callable[[Runner, Operator], StepMatrix]] = {
    **dict.fromkeys(_EDITS, _edited),
    "label_match": _matching,
    "label_mismatch": _matching,
    "labels_equal": _equal,
    "label_value": _value,
}
