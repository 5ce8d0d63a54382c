"""About how much memory a query will take at one time, from directories alone."""

from __future__ import annotations

from dataclasses import dataclass

from novaql.evaluator.context import CELL_BYTES, STEP_BYTES, Context
from novaql.evaluator.operators.selector import read, window_ends
from novaql.evaluator.operators.subquery import inner_steps
from novaql.evaluator.steps import Steps
from novaql.evaluator.working_memory import STAGED, working_bytes
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
    Window,
    left_spine,
    type_of,
)
from tsdb.labels import SeriesTable


@dataclass(frozen=True, slots=True)
class Need:
    """Of one operator with all that is below it.

    rows   at most in its result
    size   bytes of the result
    peak   bytes at one time, the result with them
    table  a table that has the labels of its rows; None: not known
    """

    rows: int = 0
    size: int = 0
    peak: int = 0
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
            return Need(0, size, size)
        case SubqueryWindow():
            inside = inner_steps(context, plan, steps)
            below = memory_needed(context, plan.inner, inside) if inside.count else Need()
            points = below.rows * inside.count * working_bytes("subquery")
            size = below.size + points
            return Need(below.rows, size, max(below.peak, size), below.table)
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
            return Need(0, size, size)


def _samples(context: Context, select: Select, steps: Steps, reach_ms: int) -> int:
    return read(context, select, window_ends(select, steps), reach_ms).samples


def _selected(context: Context, select: Select, steps: Steps, reach_ms: int, columns: int) -> Need:
    table = read(context, select, window_ends(select, steps), reach_ms).series
    size = len(table) * columns * CELL_BYTES
    return Need(len(table), size, size, table)


def _changed(operand: Need, steps: Steps) -> Need:
    """A function of each value by itself."""
    work = operand.rows * steps.count * STAGED
    return Need(operand.rows, operand.size, max(operand.peak, operand.size + work), operand.table)


def _aggregated(context: Context, plan: Aggregation, steps: Steps) -> Need:
    operand = memory_needed(context, plan.operand, steps)
    rows = _groups(operand, plan)
    size = rows * steps.count * CELL_BYTES
    if plan.by_tile and runs_by_tile(plan.operand):
        return Need(rows, size, rows * steps.count * working_bytes("fold"), operand.table)
    work = operand.rows * steps.count * working_bytes(plan.op)
    if plan.by_tile:
        work = rows * steps.count * working_bytes("fold")
    return Need(rows, size, max(operand.peak, operand.size + work + size), operand.table)


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
    work = both * steps.count * working_bytes(node.op)
    peak = max(left.peak, left.size + right.peak, left.size + right.size + work)
    return Need(both, size, peak, left.table)


def _called(context: Context, plan: FunctionCall, steps: Steps) -> Need:
    peak = held = rows = 0
    table = None
    for argument in plan.arguments:
        if isinstance(argument, Window):
            reach_ms = context.reach_ms(argument.range_ms)
            found = _selected(context, argument.select, steps, reach_ms, steps.count)
        elif type_of(argument) is ValueType.STRING:
            continue
        else:
            found = memory_needed(context, argument, steps)
        peak = max(peak, held + found.peak)
        held += found.size
        rows, table = max(rows, found.rows), table or found.table
    size = rows * steps.count * CELL_BYTES
    if runs_by_tile(plan) or any(isinstance(a, SubqueryWindow) for a in plan.arguments):
        return Need(rows, size, max(peak, held + size), table)
    work = rows * steps.count * working_bytes(plan.function)
    return Need(rows, size, max(peak, held + work), table)
