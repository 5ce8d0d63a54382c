"""A fragment that tells what its operators cost, which run inside of one another view by view."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import numpy as np

from novaql.evaluator.kernels.strips import StripKernel, Strips
from novaql.evaluator.kernels.windows import Bools, Floats
from novaql.evaluator.pipeline.block import Block
from novaql.evaluator.pipeline.model import Fragment, Stage
from novaql.evaluator.profile import Profile
from novaql.language.value_types import ValueType
from novaql.planner.by_tile import unwrap
from novaql.planner.logical import BinaryOp, FunctionCall, Negate, Plan, Select, Window, type_of
from novaql.tsdb.model.batch_views import SeriesView
from novaql.tsdb.model.series_batch import SeriesBatchRef

T = TypeVar("T")


def observed_fragment(fragment: Fragment, plan: Plan, profile: Profile) -> Fragment:
    """The same fragment of this plan; what it does is noted in the profile."""
    above: list[Plan] = []
    node = plan
    while (below := _operand(node)) is not None:
        above.append(node)
        node = below
    select = _selector(node)
    stages = zip(fragment.stages, reversed(above), strict=True)
    batched = fragment.batched
    if batched is not None:
        fill = batched.rollup.fill
        if node is not select:
            fill = _observed_fill(fill, node, profile)
        refs = [
            SeriesBatchRef(_timed(ref.load, select, profile), ref.samples)
            for ref in batched.batches
        ]
        batched = replace(batched, batches=refs, rollup=replace(batched.rollup, fill=fill))
    return replace(
        fragment,
        views=[_timed(load, select, profile) for load in fragment.views],
        leaf=fragment.leaf if node is select else _observed_leaf(fragment.leaf, node, profile),
        stages=tuple(_observed_stage(stage, of, profile) for stage, of in stages),
        batched=batched,
    )


def _operand(node: Plan) -> Plan | None:
    """What a stage's operator works on; None of the leaf."""
    match node:
        case Negate(operand=operand):
            return operand
        case BinaryOp(left=left, right=right):
            return left if type_of(right) is ValueType.SCALAR else right
        case FunctionCall(function="timestamp"):
            return None
        case FunctionCall(arguments=arguments):
            return None if any(isinstance(a, Window) for a in arguments) else arguments[0]
        case _:
            return None


def _selector(leaf: Plan) -> Select:
    if isinstance(leaf, FunctionCall):
        windows = (a.select for a in leaf.arguments if isinstance(a, Window))
        leaf = next(windows, unwrap(leaf.arguments[0]))
    assert isinstance(leaf, Select)
    return leaf


def _timed(load: Callable[[], T], select: Select, profile: Profile) -> Callable[[], T]:
    def timed() -> T:
        began = time.perf_counter()
        found = load()
        profile.loaded(select, time.perf_counter() - began)
        return found

    return timed


def _observed_leaf(
    leaf: Callable[[SeriesView], Block], node: Plan, profile: Profile
) -> Callable[[SeriesView], Block]:
    def observed(view: SeriesView) -> Block:
        began = time.perf_counter()
        block = leaf(view)
        seconds = time.perf_counter() - began
        profile.ran(node, seconds, len(block.rows), *_size(block.values, block.valid))
        return block

    return observed


def _observed_stage(stage: Stage, node: Plan, profile: Profile) -> Stage:
    def observed(values: Floats, valid: Bools | None) -> tuple[Floats, Bools | None]:
        began = time.perf_counter()
        values, valid = stage(values, valid)
        seconds = time.perf_counter() - began
        profile.ran(node, seconds, len(values), *_size(values, valid))
        return values, valid

    return observed


def _observed_fill(fill: StripKernel, node: Plan, profile: Profile) -> StripKernel:
    def observed(strips: Strips, begin: int, end: int, out: Floats) -> None:
        began = time.perf_counter()
        fill(strips, begin, end, out)
        seconds = time.perf_counter() - began
        cells = int(strips.cells[end] - strips.cells[begin])
        profile.ran(node, seconds, end - begin, cells, 8 * cells)

    return observed


def _size(values: Floats, valid: Bools | None) -> tuple[int, int]:
    """How many values there are, and what they take in memory."""
    if valid is None:
        return values.size, values.nbytes
    there = int(np.count_nonzero(np.broadcast_to(valid, values.shape)))
    return there, values.nbytes + valid.nbytes
