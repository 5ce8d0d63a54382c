"""Logical plan → values: the one file that knows both plan nodes and operators."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import assert_never

import numpy as np

from novaql.errors import EvaluationError, LimitExceeded
from novaql.evaluator.context import Context
from novaql.evaluator.kernels.registry import RANGE_FUNCTIONS
from novaql.evaluator.kernels.windows import Floats
from novaql.evaluator.matrix import (
    Scalar,
    StepMatrix,
    TextValue,
    Value,
    drop_names,
    empty_matrix,
    join_equal_rows,
    matrix,
)
from novaql.evaluator.memory import TRACKED_BYTES
from novaql.evaluator.operators.aggregate import aggregate
from novaql.evaluator.operators.arithmetic import (
    drops_name,
    negate,
    scalar_scalar,
    vector_scalar_stage,
)
from novaql.evaluator.operators.exact_ranges import smoothed_select
from novaql.evaluator.operators.extended import smoothed_pipeline
from novaql.evaluator.operators.mixed_rollup import mixed_window_rollup
from novaql.evaluator.operators.mixed_select import mixed_select, mixed_timestamp
from novaql.evaluator.operators.native_binary import (
    negate_native,
    vector_scalar_native,
)
from novaql.evaluator.operators.rollup import (
    range_argument,
    rollup_pipeline,
)
from novaql.evaluator.operators.selector import select_pipeline, timestamp_pipeline
from novaql.evaluator.operators.subquery import subquery_rollup
from novaql.evaluator.operators.transform import (
    ELEMENTWISE,
    SCALAR_FUNCTIONS,
    TRANSFORMS,
    elementwise_stage,
)
from novaql.evaluator.operators.vector_vector import (
    SAME_LABELS,
    SET_OPERATORS,
    set_operation,
    vector_vector,
)
from novaql.evaluator.pipeline.collect import collect
from novaql.evaluator.pipeline.model import Pipeline, Stage
from novaql.evaluator.pipeline.profiled import profiled_pipeline
from novaql.evaluator.steps import Steps
from novaql.evaluator.working_memory import STAGED
from novaql.language.precedence import TRIM_OPERATORS
from novaql.language.value_types import ValueType
from novaql.planner.by_tile import runs_by_tile, unwrap
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
from novaql.tsdb.model.matchers import select_rows


class Evaluator:
    """Runs plans over one context. Implements `protocol.Runner`."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._shared: dict[tuple[int, Steps], StepMatrix] = {}

    @property
    def context(self) -> Context:
        return self._context

    # --- values --------------------------------------------------------------------------

    def value(self, plan: Plan, steps: Steps) -> Value:
        match type_of(plan):
            case ValueType.SCALAR:
                return Scalar(self.scalar(plan, steps))
            case ValueType.STRING:
                return TextValue(self.text(plan))
            case ValueType.VECTOR:
                return self.vector(plan, steps)
            case ValueType.MATRIX:
                raise AssertionError("a range vector is not a value of steps")

    def text(self, plan: Plan) -> str:
        assert isinstance(plan, TextConstant)
        return plan.value

    def scalar(self, plan: Plan, steps: Steps) -> Floats:
        match plan:
            case Constant(value=value):
                return np.full(steps.count, value)
            case StepInvariant(inner=inner):
                return np.repeat(self.scalar(inner, steps.first()), steps.count)
            case Negate(operand=operand):
                return -self.scalar(operand, steps)
            case BinaryOp():
                spine = left_spine(plan)
                values = self.scalar(spine[0].left, steps)
                for node in spine:
                    values = scalar_scalar(node.op, values, self.scalar(node.right, steps))
                return values
            case FunctionCall(function=function):
                return SCALAR_FUNCTIONS[function](self, plan, steps)
            case _:
                raise AssertionError(f"{type(plan).__name__} is not a scalar")

    def vector(self, plan: Plan, steps: Steps) -> StepMatrix:
        self._context.checkpoint()
        profile = self._context.profile
        began = 0.0 if profile is None else time.perf_counter()
        try:
            found = self._named(self._vector(plan, steps))
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

    def _vector(self, plan: Plan, steps: Steps) -> StepMatrix:
        pipeline = self.pipeline(plan, steps)
        if pipeline is not None:
            return collect(pipeline, self._context)
        match plan:
            case StepInvariant(inner=inner):
                return self.vector(inner, steps.first()).broadcast(steps.count)
            case Nothing():
                return empty_matrix(steps.count)
            case Shared(inner=inner, number=number):
                if (number, steps) not in self._shared:
                    self._shared[number, steps] = self.vector(inner, steps)
                return self._shared[number, steps]
            case Subset(inner=inner, matchers=matchers):
                whole = self.vector(inner, steps)
                return whole.take(select_rows(whole.series, matchers))
            case Select(smoothed=True):
                return smoothed_select(self, plan, steps)
            case Select():
                return mixed_select(self, plan, steps)
            case Negate(operand=operand):
                found = self.vector(operand, steps)
                if found.native is not None:
                    return negate_native(found).mark_nameless()
                return self._staged(found, negate, nameless=True)
            case BinaryOp():
                return self._binary(plan, steps)
            case Aggregation():
                return aggregate(self, plan, steps)
            case FunctionCall():
                return self._call(plan, steps)
            case Constant() | TextConstant() | Window() | SubqueryWindow():
                raise AssertionError(f"{type(plan).__name__} is not an instant vector")
            case _:
                assert_never(plan)

    def _binary(self, plan: BinaryOp, steps: Steps) -> StepMatrix:
        """Operators down the left side, from the lowest up: a chain costs no stack."""
        spine = left_spine(plan)
        below, above = _lowest_whole(spine)
        tiled = isinstance(below, BinaryOp) and type_of(below) is ValueType.VECTOR
        if tiled and self.pipeline(below, steps) is None:
            below, above = _lowest_whole(spine, tiles=False)  # there are histograms in it
        left: StepMatrix | Floats
        if type_of(below) is ValueType.SCALAR:
            left = self.scalar(below, steps)
        else:
            left = self.vector(below, steps)
        for node in above:
            self._context.checkpoint()
            left = self._named(self._operation(node, left, steps))
        assert isinstance(left, StepMatrix)
        return left

    def _operation(self, node: BinaryOp, left: StepMatrix | Floats, steps: Steps) -> StepMatrix:
        """The operator over its left side's value and its right side."""
        if not isinstance(left, StepMatrix):
            return self._with_scalar(node, self.vector(node.right, steps), left, on_left=True)
        if type_of(node.right) is ValueType.SCALAR:
            return self._with_scalar(node, left, self.scalar(node.right, steps), on_left=False)
        right = self.vector(node.right, steps)
        if node.op in SET_OPERATORS:
            return set_operation(self._context, node.op, node.matching, left, right)
        return vector_vector(self._context, node, left, right)

    def _with_scalar(
        self, node: BinaryOp, operand: StepMatrix, scalar: Floats, *, on_left: bool
    ) -> StepMatrix:
        if operand.native is None and node.op not in TRIM_OPERATORS:
            stage = vector_scalar_stage(node, scalar, scalar_is_left=on_left)
            return self._staged(operand, stage, nameless=drops_name(node))
        found = vector_scalar_native(self._context, node, operand, scalar, scalar_is_left=on_left)
        return (found.mark_nameless() if drops_name(node) else found).without_empty_rows()

    def _call(self, plan: FunctionCall, steps: Steps) -> StepMatrix:
        name = plan.function
        if name in RANGE_FUNCTIONS:
            window = range_argument(plan)
            if isinstance(window, SubqueryWindow):
                return subquery_rollup(self, plan, steps)
            return mixed_window_rollup(self, plan, window, steps)
        if name == "timestamp" and isinstance(select := unwrap(plan.arguments[0]), Select):
            return mixed_timestamp(self, select, steps)
        if name in ELEMENTWISE and plan.arguments:
            stage = elementwise_stage(self, plan, steps)
            operand = self.vector(plan.arguments[0], steps).floats_only()
            return self._staged(operand, stage, nameless=True)
        return TRANSFORMS[name](self, plan, steps)

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

    def pipeline(self, plan: Plan, steps: Steps) -> Pipeline | None:
        if not runs_by_tile(plan):
            return None
        pipeline = self._pipeline(plan, steps)
        if pipeline.has_histograms:
            return None
        if self._context.profile is not None:
            pipeline = profiled_pipeline(pipeline, plan, self._context.profile)
        if self._context.eager_names and pipeline.nameless:
            # Names go here and now. Should rows become equal, the general path must sort it out.
            bare = drop_names(pipeline.series, np.ones(len(pipeline.series), np.bool_))
            if len(np.unique(bare.keys())) < len(bare):
                return None
            return replace(pipeline, series=bare, nameless=False)
        return pipeline

    def _pipeline(self, plan: Plan, steps: Steps) -> Pipeline:
        match plan:
            case Select(smoothed=True):
                return smoothed_pipeline(self._context, plan, steps)
            case Select():
                return select_pipeline(self._context, plan, steps)
            case FunctionCall(function=name) if name in RANGE_FUNCTIONS:
                return rollup_pipeline(self, plan, steps)
            case FunctionCall(function="timestamp", arguments=(operand,)):
                select = unwrap(operand)
                assert isinstance(select, Select)
                return timestamp_pipeline(self._context, select, steps)
            case FunctionCall(arguments=(operand, *_)):
                stage = elementwise_stage(self, plan, steps)
                return _with_stage(self._pipeline(operand, steps), stage, nameless=True)
            case Negate(operand=operand):
                return _with_stage(self._pipeline(operand, steps), negate, nameless=True)
            case BinaryOp():
                return self._scalar_pipeline(plan, steps)
            case _:
                raise AssertionError(f"{type(plan).__name__} does not run by tile")

    def _scalar_pipeline(self, plan: BinaryOp, steps: Steps) -> Pipeline:
        """Operators between a vector and scalars, which may be a long chain."""
        stages: list[Stage] = []
        nameless = False
        operand: Plan = plan
        while isinstance(operand, BinaryOp):
            on_left = type_of(operand.right) is ValueType.VECTOR
            scalar = self.scalar(operand.left if on_left else operand.right, steps)
            stages.append(vector_scalar_stage(operand, scalar, scalar_is_left=on_left))
            nameless = nameless or drops_name(operand)
            operand = operand.right if on_left else operand.left
        below = self._pipeline(operand, steps)
        stages.reverse()
        return replace(below, stages=(*below.stages, *stages), nameless=below.nameless or nameless)


def _lowest_whole(spine: list[BinaryOp], *, tiles: bool = True) -> tuple[Plan, list[BinaryOp]]:
    """What of a chain is evaluated in one go, and the operators above it, lowest first.

    In one go goes a scalar, and with `tiles` what runs by tile.
    """
    below = spine[0].left
    scalar, tiled = type_of(below) is ValueType.SCALAR, runs_by_tile(below)
    count = 0
    for place, node in enumerate(spine, 1):
        right_scalar = type_of(node.right) is ValueType.SCALAR
        free = node.op not in TRIM_OPERATORS
        tiled = free and (runs_by_tile(node.right) if scalar else tiled and right_scalar)
        scalar = scalar and right_scalar
        if scalar or (tiled and tiles):
            count = place
    return (spine[count - 1], spine[count:]) if count else (below, spine)


def _with_stage(pipeline: Pipeline, stage: Stage, *, nameless: bool) -> Pipeline:
    return replace(
        pipeline, stages=(*pipeline.stages, stage), nameless=pipeline.nameless or nameless
    )


def finish_names(found: StepMatrix) -> StepMatrix:
    """Take marked names off; rows that become equal are one if they take turns.

    Raises `EvaluationError` where two of them have a value at one step.
    """
    bare = replace(
        found,
        series=drop_names(found.series, found.nameless),
        nameless=np.zeros(found.rows, np.bool_),
    )
    return join_equal_rows(bare, lambda a, b: EvaluationError(SAME_LABELS))


def scalar_as_matrix(values: Floats) -> StepMatrix:
    """A scalar's range query is one series without labels."""
    return matrix(SeriesTable.unlabelled(), values[None, :])
