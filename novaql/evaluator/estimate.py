"""Estimates what a query reads, and its memory and work, from directories alone.

An operator's need is the sum of its own and that of its operands. Its selection is admitted to the
budget here, before anything is read; the operator uses it later.
"""

from __future__ import annotations

from dataclasses import field, replace
from typing import assert_never

from novaql.evaluator.context import CELL_BYTES, STEP_BYTES, Context
from novaql.evaluator.kernels.dispatch import KERNELS
from novaql.evaluator.kernels.registry import RANGE_FUNCTIONS
from novaql.evaluator.kernels.selection import MOST
from novaql.evaluator.operator import Operator
from novaql.evaluator.operators.ranking import ORDERS, SELECTED_BYTES, SHARE
from novaql.evaluator.pipeline.stretches import BYTES_OF_A_SAMPLE, may_be_large, most_cells
from novaql.evaluator.steps import Steps
from novaql.evaluator.working_memory import STAGED, fold_of, working_bytes
from novaql.fast_dataclass import dataclass
from novaql.language.value_types import ValueType
from novaql.planner.logical import (
    Aggregation,
    BinaryOp,
    Constant,
    Default,
    FunctionCall,
    Negate,
    Nothing,
    RetainNames,
    Select,
    Shared,
    Shift,
    StepInvariant,
    SubqueryWindow,
    Subset,
    TextConstant,
    Window,
    type_of,
)
from novaql.planner.pipelined import runs_as_pipeline
from novaql.planner.whole_range import RANGE_CHOOSERS
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.source import Selection

ROWS_OF_OPERAND = frozenset(
    {
        "topk", "bottomk", "limitk", "limit_ratio", "count_values", "histogram", "quantiles",
        "share", "zscore",
    }
)  # fmt: skip
"""Aggregations that may have as many rows as their operand."""

WHOLE_WINDOW = {name for name, function in RANGE_FUNCTIONS.items() if function.whole_window}
EACH_WINDOW = {name for name in WHOLE_WINDOW if not RANGE_FUNCTIONS[name].slides}
"""Functions that read a sample again for each window that contains it."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Series that are selected, samples that are read of them, selection by selection, about how
    many bytes of memory are taken at one time, and how many values are read.

    in_memory  whether the query will surely read no disk
    """

    series: int = 0
    samples: int = 0
    bytes: int = 0
    work: int = 0
    in_memory: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Need:
    """The needs of one operator, with all operators below it.

    rows   at most in its result
    size   bytes of the result
    peak   bytes at one time, the result with them
    work   values that are read
    table  a table that has the labels of its rows; None: not known
    """

    rows: int = 0
    size: int = 0
    peak: int = 0
    work: int = 0
    table: SeriesTable | None = None


def estimate_of(context: Context, operator: Operator) -> Estimate:
    """Request every selection that an operator and its operands read. Raises `LimitExceeded`."""
    need = _Estimator(context).need(operator) if operator.steps.count else Need()
    return Estimate(
        context.series_selected, context.samples_read, need.peak, need.work, context.in_memory()
    )


class _Estimator:
    """Adds up the needs of operators; a shared one counts once."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._shared: dict[Operator, Need] = {}
        self._pipelined: dict[int, bool] = {}

    def need(self, operator: Operator) -> Need:
        plan, steps, operands = operator.plan, operator.steps, operator.operands
        match plan:
            case Constant() | TextConstant() | Nothing():
                size = steps.count * STEP_BYTES
                return Need(0, size, size, steps.count)
            case Select():
                return self._rows(operator)
            case Window():
                samples = self._selection(operator).samples
                size = samples * working_bytes("range")
                return Need(0, size, size, samples)
            case SubqueryWindow():
                points = operands[0].steps.count
                below = self.need(operands[0]) if points else Need()
                size = below.size + below.rows * points * working_bytes("subquery")
                work = below.work + below.rows * points
                return Need(below.rows, size, max(below.peak, size), work, below.table)
            case Shared():
                if operands[0] not in self._shared:
                    self._shared[operands[0]] = self.need(operands[0])
                return self._shared[operands[0]]
            case StepInvariant() | Subset() | Shift() | RetainNames():
                return self.need(operands[0])
            case Default():
                left, right = (self.need(operand) for operand in operands)
                as_or = BinaryOp("or", plan.left, plan.right, span=plan.span)
                return _combined(as_or, left, right, steps)
            case Negate():
                return _changed(self.need(operands[0]), steps)
            case Aggregation():
                return self._aggregated(operator, plan)
            case BinaryOp():
                spine = operator.left_spine()
                found = self.need(spine[0].operands[0])
                for node in spine:
                    found = _combined(node.binary, found, self.need(node.operands[1]), steps)
                return found
            case FunctionCall():
                return self._called(operator, plan)
            case _:
                assert_never(plan)

    def _selection(self, operator: Operator) -> Selection:
        found = operator.reads.selection(self._context)
        if self._context.profile is not None:
            self._context.profile.selected(operator.select, found)
        return found

    def _rows(self, operator: Operator) -> Need:
        """A selector's series at each step."""
        table = self._selection(operator).series
        cells = len(table) * operator.steps.count
        return Need(len(table), cells * CELL_BYTES, cells * CELL_BYTES, cells, table)

    def _aggregated(self, operator: Operator, plan: Aggregation) -> Need:
        below, *parameters = operator.operands
        given = [self.need(parameter) for parameter in parameters]
        peak, work = sum(need.peak for need in given), sum(need.work for need in given)
        operand, steps = self.need(below), operator.steps
        rows = _groups(operand, plan)
        size = rows * steps.count * CELL_BYTES
        work += operand.work + operand.rows * steps.count
        folded = rows * steps.count * working_bytes(fold_of(plan.op))
        if plan.by_batch and runs_as_pipeline(plan.operand, self._pipelined):
            return Need(rows, size, max(peak, folded), work, operand.table)
        chosen = self._chosen(plan, operand, steps)
        if chosen is not None:
            return replace(chosen, peak=max(peak, chosen.peak), work=work)
        cells, samples = operand.rows * steps.count, self._context.samples_read
        by_stretches = may_be_large(plan) and self._context.profile is None
        if by_stretches and cells > most_cells(samples) and KERNELS.ready() is not None:
            cells = max(most_cells(samples), operand.rows)
            held = cells * CELL_BYTES + samples * BYTES_OF_A_SAMPLE
            operand = replace(operand, peak=held, size=held)
        taken = folded if plan.by_batch else cells * working_bytes(plan.op)
        peak = max(peak, operand.peak, operand.size + taken + size)
        return Need(rows, size, peak, work, operand.table)

    def _chosen(self, plan: Aggregation, operand: Need, steps: Steps) -> Need | None:
        """The memory of the best rows, if they are chosen without a matrix of the operand; see
        `ranking`."""
        k = plan.parameter
        if plan.op not in ORDERS or steps.count == 1 or not isinstance(k, Constant):
            return None
        if not (k.value <= MOST and runs_as_pipeline(plan.operand, self._pipelined)):
            return None
        cells = int(max(k.value, 0)) * _group_count(operand, plan)
        if SHARE * cells > operand.rows or KERNELS.ready() is None:
            return None
        rows = min(operand.rows, cells * steps.count)
        size = rows * steps.count * CELL_BYTES
        peak = SHARE * cells * steps.count * SELECTED_BYTES + size
        return Need(rows, size, peak, 0, operand.table)

    def _argument(self, call: FunctionCall, operand: Operator, steps: Steps) -> Need:
        if isinstance(operand.plan, Window):
            rows = self._rows(operand)
            if call.function not in EACH_WINDOW:
                return rows
            return replace(rows, work=rows.work + self._looked_at_again(operand, operand.plan))
        found = self.need(operand)
        if isinstance(operand.plan, SubqueryWindow) and call.function in WHOLE_WINDOW:
            samples = operand.plan.range_ms // operand.plan.step_ms
            return replace(found, work=found.work + found.rows * steps.count * samples)
        return found

    def _looked_at_again(self, operator: Operator, plan: Window) -> int:
        """Values of windows that overlap, beyond the first time, if samples are evenly spread."""
        samples, steps = self._selection(operator).samples, operator.steps
        spread_ms = plan.range_ms + (steps.count - 1) * steps.step_ms
        return max(0, samples * plan.range_ms * steps.count // spread_ms - samples)

    def _called(self, operator: Operator, plan: FunctionCall) -> Need:
        limits, steps, table = self._context.options.limits, operator.steps, None
        peak = held = rows = work = text = 0
        for operand in operator.operands:
            if isinstance(operand.plan, TextConstant):
                text += len(operand.plan.value)
                continue
            found = self._argument(plan, operand, steps)
            peak = max(peak, held + found.peak)
            held += found.size
            work += found.work
            rows, table = max(rows, found.rows), table or found.table
        if plan.returns is ValueType.VECTOR:
            rows = max(rows, 1)
        cells = rows * steps.count
        size, work = cells * CELL_BYTES, work + cells
        if plan.function in ("label_replace", "label_join"):  # a value may contain all texts
            text = rows * min(text, limits.label_value_bytes or text)
            size, peak = size + text, peak + text
        pipelined = runs_as_pipeline(plan, self._pipelined)
        if pipelined or any(isinstance(a, SubqueryWindow) for a in plan.arguments):
            return Need(rows, size, max(peak, held + size), work, table)
        taken = cells * working_bytes(plan.function)
        return Need(rows, size, max(peak, held + taken), work, table)


def _changed(operand: Need, steps: Steps) -> Need:
    """A function that changes each value separately."""
    cells = operand.rows * steps.count
    peak = max(operand.peak, operand.size + cells * STAGED)
    return Need(operand.rows, operand.size, peak, operand.work + cells, operand.table)


def _groups(operand: Need, plan: Aggregation) -> int:
    """Rows of the result, at most."""
    each_row = plan.op in ROWS_OF_OPERAND or plan.op in RANGE_CHOOSERS
    return operand.rows if each_row else _group_count(operand, plan)


def _group_count(operand: Need, plan: Aggregation) -> int:
    """An upper bound of the number of groups: by named labels, the number of combinations of their
    values."""
    if plan.without:
        return operand.rows
    if not plan.grouping:
        return min(operand.rows, 1)
    if operand.table is None:
        return operand.rows
    count = 1
    for name in plan.grouping:
        count *= len(operand.table.column(name).values)
    return min(operand.rows, count)


def _combined(node: BinaryOp, left: Need, right: Need, steps: Steps) -> Need:
    if type_of(node.right) is ValueType.SCALAR:
        return _changed(left, steps)
    if left.rows == 0:  # a scalar, or nothing
        return _changed(right, steps)
    both = left.rows + right.rows if node.op == "or" else max(left.rows, right.rows)
    size = both * steps.count * CELL_BYTES
    taken = both * steps.count * working_bytes(node.op)
    peak = max(left.peak, left.size + right.peak, left.size + right.size + taken)
    work = left.work + right.work + both * steps.count
    return Need(both, size, peak, work, left.table)
