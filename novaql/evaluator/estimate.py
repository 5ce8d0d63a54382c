"""What a query will read, and about how much memory and work it will take, from directories alone.

An operator's need is that of its operands and its own. Each selection is the one that its operator
will ask for (`operators.reads`), so that it is admitted to the budget before anything is read, and
is there when the operator wants it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import assert_never

from novaql.evaluator.context import CELL_BYTES, STEP_BYTES, Context
from novaql.evaluator.kernels.registry import RANGE_FUNCTIONS
from novaql.evaluator.operators.info import info_select
from novaql.evaluator.operators.reads import Read
from novaql.evaluator.operators.subquery import inner_steps
from novaql.evaluator.steps import Steps
from novaql.evaluator.working_memory import STAGED, fold_of, working_bytes
from novaql.language.value_types import ValueType
from novaql.planner.by_tile import runs_by_tile
from novaql.planner.logical import (
    Aggregation,
    BinaryOp,
    Constant,
    FunctionCall,
    Negate,
    Nothing,
    Plan,
    Select,
    Shared,
    StepInvariant,
    SubqueryWindow,
    Subset,
    TextConstant,
    Window,
    left_spine,
    type_of,
)
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.source import Selection

WHOLE_WINDOW = {name for name, function in RANGE_FUNCTIONS.items() if function.whole_window}


@dataclass(frozen=True, slots=True)
class Estimate:
    """Series that are selected, samples that are read of them, selection by selection, about how
    many bytes of memory are taken at one time, and how many values are looked at."""

    series: int = 0
    samples: int = 0
    bytes: int = 0
    work: int = 0


@dataclass(frozen=True, slots=True)
class Need:
    """Of one operator with all that is below it.

    rows   at most in its result
    size   bytes of the result
    peak   bytes at one time, the result with them
    work   values that are looked at
    table  a table that has the labels of its rows; None: not known
    """

    rows: int = 0
    size: int = 0
    peak: int = 0
    work: int = 0
    table: SeriesTable | None = None


def admit_all(context: Context, plan: Plan, steps: Steps) -> Estimate:
    """Ask for every selection of a plan at these steps. Raises `LimitExceeded`."""
    need = _Estimator(context).need(plan, steps) if steps.count else Need()
    return Estimate(context.series_selected, context.samples_read, need.peak, need.work)


class _Estimator:
    """Walks a plan, each shared part of it once."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._shared: dict[tuple[int, Steps], Need] = {}

    def need(self, plan: Plan, steps: Steps) -> Need:
        match plan:
            case Constant() | TextConstant() | Nothing():
                size = steps.count * STEP_BYTES
                return Need(0, size, size, steps.count)
            case Select():
                return self._rows(plan, plan, steps)
            case Window(select=select):
                samples = self._selection(plan, select, steps).samples
                size = samples * working_bytes("range")
                return Need(0, size, size, samples)
            case SubqueryWindow():
                inside = inner_steps(self._context, plan, steps)
                below = self.need(plan.inner, inside) if inside.count else Need()
                points = below.rows * inside.count * working_bytes("subquery")
                size = below.size + points
                work = below.work + below.rows * inside.count
                return Need(below.rows, size, max(below.peak, size), work, below.table)
            case StepInvariant(inner=inner):
                return self.need(inner, steps.first())
            case Shared(inner=inner, number=number):
                if (number, steps) not in self._shared:
                    self._shared[number, steps] = self.need(inner, steps)
                return self._shared[number, steps]
            case Subset(inner=inner):
                return self.need(inner, steps)
            case Negate(operand=operand):
                return _changed(self.need(operand, steps), steps)
            case Aggregation():
                return self._aggregated(plan, steps)
            case BinaryOp():
                spine = left_spine(plan)
                found = self.need(spine[0].left, steps)
                for node in spine:
                    found = _combined(node, found, self.need(node.right, steps), steps)
                return found
            case FunctionCall():
                return self._called(plan, steps)
            case _:
                assert_never(plan)

    def _selection(self, plan: Select | Window, select: Select, steps: Steps) -> Selection:
        found = Read.of(self._context, plan, steps).selection(self._context)
        if self._context.profile is not None:
            self._context.profile.selected(select, found)
        return found

    def _rows(self, plan: Select | Window, select: Select, steps: Steps) -> Need:
        """A selector's series at each step."""
        table = self._selection(plan, select, steps).series
        cells = len(table) * steps.count
        return Need(len(table), cells * CELL_BYTES, cells * CELL_BYTES, cells, table)

    def _aggregated(self, plan: Aggregation, steps: Steps) -> Need:
        peak = work = 0
        if plan.parameter is not None:
            parameter = self.need(plan.parameter, steps)
            peak, work = parameter.peak, parameter.work
        operand = self.need(plan.operand, steps)
        rows = _groups(operand, plan)
        size = rows * steps.count * CELL_BYTES
        work += operand.work + operand.rows * steps.count
        folded = rows * steps.count * working_bytes(fold_of(plan.op))
        if plan.by_tile and runs_by_tile(plan.operand):
            return Need(rows, size, max(peak, folded), work, operand.table)
        taken = folded if plan.by_tile else operand.rows * steps.count * working_bytes(plan.op)
        peak = max(peak, operand.peak, operand.size + taken + size)
        return Need(rows, size, peak, work, operand.table)

    def _argument(self, call: FunctionCall, argument: Plan, steps: Steps) -> Need:
        if isinstance(argument, Window):
            return self._rows(argument, argument.select, steps)
        found = self.need(argument, steps)
        if isinstance(argument, SubqueryWindow) and call.function in WHOLE_WINDOW:
            samples = argument.range_ms // argument.step_ms
            return replace(found, work=found.work + found.rows * steps.count * samples)
        return found

    def _called(self, plan: FunctionCall, steps: Steps) -> Need:
        limits = self._context.options.limits
        arguments, table = plan.arguments, None
        peak = held = rows = work = text = 0
        if plan.function == "info":
            arguments = (arguments[0], info_select(plan))
        for argument in arguments:
            if isinstance(argument, TextConstant):
                text += len(argument.value)
                continue
            found = self._argument(plan, argument, steps)
            peak = max(peak, held + found.peak)
            held += found.size
            work += found.work
            rows, table = max(rows, found.rows), table or found.table
        if plan.returns is ValueType.VECTOR:
            rows = max(rows, 1)
        cells = rows * steps.count
        size, work = cells * CELL_BYTES, work + cells
        if plan.function in ("label_replace", "label_join"):  # each value may be made of all
            text = rows * min(text, limits.label_value_bytes or text)
            size, peak = size + text, peak + text
        if runs_by_tile(plan) or any(isinstance(a, SubqueryWindow) for a in plan.arguments):
            return Need(rows, size, max(peak, held + size), work, table)
        taken = cells * working_bytes(plan.function)
        return Need(rows, size, max(peak, held + taken), work, table)


def _changed(operand: Need, steps: Steps) -> Need:
    """A function of each value by itself."""
    cells = operand.rows * steps.count
    peak = max(operand.peak, operand.size + cells * STAGED)
    return Need(operand.rows, operand.size, peak, operand.work + cells, operand.table)


def _groups(operand: Need, plan: Aggregation) -> int:
    """At most so many: of labels that are named, as many as there are values of them together."""
    if plan.op in ("topk", "bottomk", "limitk", "limit_ratio", "count_values"):
        return operand.rows
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
