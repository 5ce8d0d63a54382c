"""Operators → values: the one file that imports both plan nodes and operators."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

import numpy as np

from novaql.errors import LimitExceeded
from novaql.evaluator.context import Context
from novaql.evaluator.kernels.registry import RANGE_FUNCTIONS
from novaql.evaluator.kernels.windows import Floats
from novaql.evaluator.matrix import (
    StepMatrix,
    drop_names,
    empty_matrix,
    join_equal_rows,
)
from novaql.evaluator.memory import TRACKED_BYTES
from novaql.evaluator.operator import Operator
from novaql.evaluator.operators.aggregate import aggregate
from novaql.evaluator.operators.arithmetic import (
    drops_name,
    negate,
    scalar_scalar,
    vector_scalar_stage,
)
from novaql.evaluator.operators.default import filled, filled_with_scalar
from novaql.evaluator.operators.exact_ranges import smoothed_select
from novaql.evaluator.operators.extended import check_modifier, smoothed_pipeline
from novaql.evaluator.operators.mixed_rollup import mixed_window_rollup
from novaql.evaluator.operators.mixed_select import mixed_select, mixed_timestamp
from novaql.evaluator.operators.native_binary import (
    negate_native,
    vector_scalar_native,
)
from novaql.evaluator.operators.retained_names import operand_has_names
from novaql.evaluator.operators.rollup import (
    rollup_pipeline,
)
from novaql.evaluator.operators.selector import select_pipeline, timestamp_pipeline
from novaql.evaluator.operators.subquery import subquery_rollup
from novaql.evaluator.operators.vector_vector import (
    SET_OPERATORS,
    set_operation,
    vector_vector,
)
from novaql.evaluator.pipeline.collect import collect
from novaql.evaluator.pipeline.model import Pipeline, Stage
from novaql.evaluator.pipeline.profiled import profiled_source, profiled_stage
from novaql.evaluator.working_memory import STAGED
from novaql.language.precedence import TRIM_OPERATORS
from novaql.language.value_types import ValueType
from novaql.lazy_exports import lazy_module
from novaql.planner.label_flow import CELL_BY_CELL
from novaql.planner.logical import (
    MEMBER,
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
)
from novaql.planner.pipelined import runs_as_pipeline
from novaql.tsdb.model.matchers import select_rows

if TYPE_CHECKING:
    from novaql.evaluator.operators import transform
else:  # functions of ranges do not need it, and it needs 30 modules
    transform = lazy_module("novaql.evaluator.operators.transform")


class Evaluator:
    """Runs operators over one context. Implements `protocol.Runner`."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._shared: dict[Operator, StepMatrix] = {}
        self._with_names: set[Operator] = set()
        """Operands of `keep_metric_names`, of which eager name removal removes none."""

    @property
    def context(self) -> Context:
        return self._context

    # --- values --------------------------------------------------------------------------

    def text(self, operator: Operator) -> str:
        assert isinstance(operator.plan, TextConstant)
        return operator.plan.value

    def scalar(self, operator: Operator) -> Floats:
        match operator.plan:
            case Constant(value=value):
                return np.full(operator.steps.count, value)
            case StepInvariant() | Shift(at_ms=int()):
                return np.repeat(self.scalar(operator.operands[0]), operator.steps.count)
            case Shift():
                return self.scalar(operator.operands[0])
            case Negate():
                return -self.scalar(operator.operands[0])
            case BinaryOp():
                spine = operator.left_spine()
                values = self.scalar(spine[0].operands[0])
                for node in spine:
                    values = scalar_scalar(node.binary.op, values, self.scalar(node.operands[1]))
                return values
            case FunctionCall(function=function):
                return transform.SCALAR_FUNCTIONS[function](self, operator)
            case plan:
                raise AssertionError(f"{type(plan).__name__} is not a scalar")

    def vector(self, operator: Operator) -> StepMatrix:
        self._context.checkpoint()
        profile, plan = self._context.profile, operator.plan
        began = 0.0 if profile is None else time.perf_counter()
        try:
            found = self._vector(operator)
            if operator not in self._with_names:
                found = self._named(found)
        except LimitExceeded as problem:
            problem.span = problem.span or plan.span
            raise
        if found.values.nbytes >= TRACKED_BYTES:
            self._context.memory.hold(found)
        if profile is not None:
            profile.evaluated(plan, time.perf_counter() - began, found)
        return found

    def _named(self, found: StepMatrix) -> StepMatrix:
        if self._context.eager_names and found.nameless.any():
            return finish_names(found)
        return found

    def _vector(self, operator: Operator) -> StepMatrix:
        pipeline = self.pipeline(operator) or self._with_equal_rows(operator)
        if pipeline is not None:
            return collect(pipeline, self._context)
        plan, steps, operands = operator.plan, operator.steps, operator.operands
        match plan:
            case StepInvariant() | Shift(at_ms=int()):
                return self.vector(operands[0]).broadcast(steps.count)
            case Shift():
                return self.vector(operands[0])
            case RetainNames(inner=inner):
                self._with_names.add(operands[0])
                found = self.vector(operands[0])
                return replace(found, nameless=np.full(found.rows, not operand_has_names(inner)))
            case Default():
                return self._default(operator, plan)
            case Nothing():
                return empty_matrix(steps.count)
            case Shared():
                if operands[0] not in self._shared:
                    self._shared[operands[0]] = self.vector(operands[0])
                return self._shared[operands[0]]
            case Subset(matchers=matchers):
                whole = self.vector(operands[0])
                return whole.take(select_rows(whole.series, matchers))
            case Select(smoothed=True):
                return smoothed_select(self._context, operator)
            case Select():
                return mixed_select(self._context, operator)
            case Negate():
                found = self.vector(operands[0])
                if found.native is not None:
                    return negate_native(found).mark_nameless()
                return self._staged(found, negate, nameless=True)
            case BinaryOp():
                return self._binary(operator)
            case Aggregation():
                return aggregate(self, operator)
            case FunctionCall():
                return self._call(operator)
            case Constant() | TextConstant() | Window() | SubqueryWindow():
                raise AssertionError(f"{type(plan).__name__} is not an instant vector")
            case _:
                assert_never(plan)

    def _default(self, operator: Operator, plan: Default) -> StepMatrix:
        left, right = operator.operands
        found = self.vector(left)
        if right.type is ValueType.SCALAR:
            return filled_with_scalar(self._context, found, self.scalar(right))
        return filled(self._context, plan.matching, found, self.vector(right))

    def _binary(self, operator: Operator) -> StepMatrix:
        """Operators down the left side, from the lowest up: a chain costs no stack."""
        spine = operator.left_spine()
        below, above = _lowest_whole(spine)
        pipelined = isinstance(below.plan, BinaryOp) and below.type is ValueType.VECTOR
        if pipelined and self.pipeline(below) is None:
            below, above = _lowest_whole(spine, pipelines=False)  # there are histograms in it
        scalar = below.type is ValueType.SCALAR
        left: StepMatrix | Floats = self.scalar(below) if scalar else self.vector(below)
        for node in above:
            self._context.checkpoint()
            left = self._operation(node, left)
            if node not in self._with_names:
                left = self._named(left)
        assert isinstance(left, StepMatrix)
        return left

    def _operation(self, operator: Operator, left: StepMatrix | Floats) -> StepMatrix:
        """The operator over its left side's value and its right side."""
        node, below = operator.binary, operator.operands[1]
        if not isinstance(left, StepMatrix):
            return self._with_scalar(node, self.vector(below), left, on_left=True)
        if below.type is ValueType.SCALAR:
            return self._with_scalar(node, left, self.scalar(below), on_left=False)
        right = self.vector(below)
        if node.op in SET_OPERATORS:
            return set_operation(self._context, node.op, node.matching, left, right)
        retain_names = operator in self._with_names
        return vector_vector(self._context, node, left, right, retain_names=retain_names)

    def _with_scalar(
        self, node: BinaryOp, operand: StepMatrix, scalar: Floats, *, on_left: bool
    ) -> StepMatrix:
        if operand.native is None and node.op not in TRIM_OPERATORS:
            stage = vector_scalar_stage(node, scalar, scalar_is_left=on_left)
            return self._staged(operand, stage, nameless=drops_name(node))
        found = vector_scalar_native(self._context, node, operand, scalar, scalar_is_left=on_left)
        return (found.mark_nameless() if drops_name(node) else found).without_empty_rows()

    def _call(self, operator: Operator) -> StepMatrix:
        name = operator.call.function
        if name == "default_rollup":
            return mixed_select(self._context, operator.range)
        if name in RANGE_FUNCTIONS:
            if isinstance(operator.range.plan, SubqueryWindow):
                return subquery_rollup(self, operator)
            return mixed_window_rollup(self, operator)
        operands = operator.operands
        if name == "timestamp" and isinstance(operands[0].plan, Select):
            return mixed_timestamp(self._context, operands[0])
        if name in CELL_BY_CELL and operands:
            stage = transform.elementwise_stage(self, operator)
            operand = self.vector(operands[0]).floats_only()
            return self._staged(operand, stage, nameless=name != MEMBER)
        return transform.TRANSFORMS[name](self, operator)

    def _staged(self, operand: StepMatrix, stage: Stage, *, nameless: bool) -> StepMatrix:
        """A stage over a whole matrix."""
        self._context.admit_cells(operand.rows, operand.steps, STAGED, "an operator")
        with np.errstate(all="ignore"):
            values, valid = stage(operand.values, operand.valid)
        if valid is not None:
            valid = np.broadcast_to(valid, values.shape)
        found = replace(operand, values=values, valid=valid)
        return (found.mark_nameless() if nameless else found).without_empty_rows()

    # --- pipelines -----------------------------------------------------------------------

    def pipeline(self, operator: Operator) -> Pipeline | None:
        if not runs_as_pipeline(operator.plan):
            return None
        pipeline = self._pipeline(operator)
        if pipeline.has_histograms:
            return None
        if self._context.eager_names and pipeline.nameless and operator not in self._with_names:
            # Names are removed here. If rows become equal, the general path joins them.
            bare = drop_names(pipeline.series, np.ones(len(pipeline.series), np.bool_))
            if len(np.unique(bare.keys())) < len(bare):
                return None
            return replace(pipeline, series=bare, nameless=False)
        return pipeline

    def _with_equal_rows(self, operator: Operator) -> Pipeline | None:
        """A source of floats for which `pipeline` returns None, because its rows are equal without
        their names. The rows still have names: `vector` removes them, and joins the rows."""
        plan = operator.plan
        if not (self._context.eager_names and runs_as_pipeline(plan)):
            return None
        if self._stage(operator) is not None:  # its operand is evaluated first
            return None
        source = self._source(operator)
        return None if source.has_histograms else source

    def _pipeline(self, operator: Operator) -> Pipeline:
        """A source with its rollup, and stages, of which there may be a long chain."""
        stages: list[Stage] = []
        nameless = False
        while (found := self._stage(operator)) is not None:
            stage, drops, below = found
            if self._context.profile is not None:
                stage = profiled_stage(stage, operator.plan, self._context.profile)
            stages.append(stage)
            nameless |= drops
            operator = below
        source = self._source(operator)
        if not stages:
            return source
        stages.reverse()
        return replace(source, stages=tuple(stages), nameless=source.nameless or nameless)

    def _stage(self, operator: Operator) -> tuple[Stage, bool, Operator] | None:
        """The operator as a stage, whether it drops the name, and its operand; None: a source."""
        plan, operands = operator.plan, operator.operands
        match plan:
            case Negate():
                return negate, True, operands[0]
            case BinaryOp():
                on_left = operands[1].type is ValueType.VECTOR
                scalar, below = operands if on_left else operands[::-1]
                stage = vector_scalar_stage(plan, self.scalar(scalar), scalar_is_left=on_left)
                return stage, drops_name(plan), below
            case FunctionCall(function=name) if name in CELL_BY_CELL:
                return transform.elementwise_stage(self, operator), name != MEMBER, operands[0]
            case _:
                return None

    def _source(self, operator: Operator) -> Pipeline:
        selects = operator
        match operator.plan:
            case Select(smoothed=True):
                pipeline = smoothed_pipeline(self._context, operator)
            case Select():
                pipeline = select_pipeline(self._context, operator)
            case FunctionCall(function="default_rollup"):
                selects = operator.range
                check_modifier(operator.call, selects.select)
                pipeline = select_pipeline(self._context, selects)
            case FunctionCall(function="timestamp"):
                (selects,) = operator.operands
                pipeline = timestamp_pipeline(self._context, selects)
            case FunctionCall():
                selects = operator.range
                pipeline = rollup_pipeline(self, operator)
            case plan:
                raise AssertionError(f"{type(plan).__name__} is no part of a pipeline")
        if self._context.profile is None:
            return pipeline
        return profiled_source(pipeline, operator.plan, selects.select, self._context.profile)


def _lowest_whole(
    spine: list[Operator], *, pipelines: bool = True
) -> tuple[Operator, list[Operator]]:
    """The part of a chain that is evaluated as a whole, and the operators above it, lowest first.

    Such a part is a scalar, or with `pipelines` a pipeline.
    """
    below = spine[0].operands[0]
    scalar, pipelined = below.type is ValueType.SCALAR, runs_as_pipeline(below.plan)
    count = 0
    for place, node in enumerate(spine, 1):
        right = node.operands[1]
        right_scalar = right.type is ValueType.SCALAR
        free = node.binary.op not in TRIM_OPERATORS
        pipelined = free and (
            runs_as_pipeline(right.plan) if scalar else pipelined and right_scalar
        )
        scalar = scalar and right_scalar
        if scalar or (pipelined and pipelines):
            count = place
    return (spine[count - 1], spine[count:]) if count else (below, spine)


def finish_names(found: StepMatrix) -> StepMatrix:
    """Remove marked names. Rows that become equal are joined if no step has two values.

    Raises `EvaluationError` if two of them have a value at one step.
    """
    if not found.nameless.any():
        return join_equal_rows(found)
    bare = replace(
        found,
        series=drop_names(found.series, found.nameless),
        nameless=np.zeros(found.rows, np.bool_),
    )
    return join_equal_rows(bare)
