"""About how much memory a query will take at one time, from directories alone."""

from __future__ import annotations

from dataclasses import dataclass

from novaql.evaluator.context import CELL_BYTES, STEP_BYTES, Context
from novaql.evaluator.kernels.registry import RANGE_FUNCTIONS
from novaql.evaluator.operators.selector import read, window_ends
from novaql.evaluator.operators.subquery import inner_steps
from novaql.evaluator.steps import Steps
from novaql.evaluator.working_memory import STAGED, fold_of, working_bytes
from novaql.language.value_types import ValueType
from novaql.planner.by_tile import runs_by_tile
from novaql.planner.logical import (
    Aggregation,
    BinaryOp,
    FunctionCall,
    Negate,
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


def memory_needed(context: Context, plan: Plan, steps: Steps) -> Need:
    """Of a plan whose selections are admitted."""
    match plan:
        case Select():
            lookback_ms = context.reach_ms(context.options.lookback_ms)
            return _selected(context, plan, steps, lookback_ms, steps.count)
        case Window(select=select, range_ms=range_ms):
            samples = _samples(context, select, steps, context.reach_ms(range_ms))
            size = samples * working_bytes("range")
            return Need(0, size, size, samples)
        case SubqueryWindow():
            inside = inner_steps(context, plan, steps)
            below = memory_needed(context, plan.inner, inside) if inside.count else Need()
            points = below.rows * inside.count * working_bytes("subquery")
            size = below.size + points
            work = below.work + below.rows * inside.count
            return Need(below.rows, size, max(below.peak, size), work, below.table)
        case StepInvariant(inner=inner):
            return memory_needed(context, inner, steps.first())
        case Shared(inner=inner) | Subset(inner=inner):
            return memory_needed(context, inner, steps)
        case Negate(operand=operand):
            return _changed(memory_needed(context, operand, steps), steps)
        case Aggregation():
            return _aggregated(context, plan, steps)
        case BinaryOp():
            spine = left_spine(plan)
            found = memory_needed(context, spine[0].left, steps)
            for node in spine:
                found = _combined(context, node, found, steps)
            return found
        case FunctionCall():
            return _called(context, plan, steps)
        case _:
            size = steps.count * STEP_BYTES
            return Need(0, size, size, steps.count)


def _samples(context: Context, select: Select, steps: Steps, reach_ms: int) -> int:
    return read(context, select, window_ends(select, steps), reach_ms).samples


def _selected(context: Context, select: Select, steps: Steps, reach_ms: int, columns: int) -> Need:
    table = read(context, select, window_ends(select, steps), reach_ms).series
    size = len(table) * columns * CELL_BYTES
    return Need(len(table), size, size, len(table) * columns, table)


def _changed(operand: Need, steps: Steps) -> Need:
    """A function of each value by itself."""
    cells = operand.rows * steps.count
    peak = max(operand.peak, operand.size + cells * STAGED)
    return Need(operand.rows, operand.size, peak, operand.work + cells, operand.table)


def _aggregated(context: Context, plan: Aggregation, steps: Steps) -> Need:
    operand = memory_needed(context, plan.operand, steps)
    rows = _groups(operand, plan)
    size = rows * steps.count * CELL_BYTES
    work = operand.work + operand.rows * steps.count
    folded = rows * steps.count * working_bytes(fold_of(plan.op))
    if plan.by_tile and runs_by_tile(plan.operand):
        return Need(rows, size, folded, work, operand.table)
    taken = folded if plan.by_tile else operand.rows * steps.count * working_bytes(plan.op)
    return Need(rows, size, max(operand.peak, operand.size + taken + size), work, operand.table)


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


def _combined(context: Context, node: BinaryOp, left: Need, steps: Steps) -> Need:
    if type_of(node.right) is ValueType.SCALAR:
        return _changed(left, steps)
    right = memory_needed(context, node.right, steps)
    if left.rows == 0:  # a scalar, or nothing
        return _changed(right, steps)
    both = left.rows + right.rows if node.op == "or" else max(left.rows, right.rows)
    size = both * steps.count * CELL_BYTES
    taken = both * steps.count * working_bytes(node.op)
    peak = max(left.peak, left.size + right.peak, left.size + right.size + taken)
    work = left.work + right.work + both * steps.count
    return Need(both, size, peak, work, left.table)


def _called(context: Context, plan: FunctionCall, steps: Steps) -> Need:
    peak = held = rows = work = text = 0
    table = None
    for argument in plan.arguments:
        if isinstance(argument, TextConstant):
            text += len(argument.value)
            continue
        if isinstance(argument, Window):
            reach_ms = context.reach_ms(argument.range_ms)
            found = _selected(context, argument.select, steps, reach_ms, steps.count)
        else:
            found = memory_needed(context, argument, steps)
        if isinstance(argument, SubqueryWindow) and RANGE_FUNCTIONS[plan.function].whole_window:
            work += found.rows * steps.count * (argument.range_ms // argument.step_ms)
        peak = max(peak, held + found.peak)
        held += found.size
        work += found.work
        rows, table = max(rows, found.rows), table or found.table
    if plan.returns is ValueType.VECTOR:
        rows = max(rows, 1)
    cells = rows * steps.count
    size, work = cells * CELL_BYTES, work + cells
    if plan.function in ("label_replace", "label_join"):  # each value may be made of all of them
        text = rows * min(text, context.options.limits.label_value_bytes or text)
        size, peak = size + text, peak + text
    if runs_by_tile(plan) or any(isinstance(a, SubqueryWindow) for a in plan.arguments):
        return Need(rows, size, max(peak, held + size), work, table)
    return Need(rows, size, max(peak, held + cells * working_bytes(plan.function)), work, table)
