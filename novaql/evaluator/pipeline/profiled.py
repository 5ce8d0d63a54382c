"""A pipeline that notes the cost of its operators, which run inside of one another."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import numpy as np

from novaql.evaluator.kernels.strips import StripKernel, Strips
from novaql.evaluator.kernels.windows import Bools, Floats
from novaql.evaluator.pipeline.block import Block
from novaql.evaluator.pipeline.model import Pipeline, Stage
from novaql.evaluator.profile import Profile
from novaql.planner.logical import Plan, Select
from novaql.tsdb.model.batch_views import SeriesView
from novaql.tsdb.model.series_batch import SeriesBatchRef

T = TypeVar("T")


def profiled_source(pipeline: Pipeline, plan: Plan, select: Select, profile: Profile) -> Pipeline:
    """The same pipeline without stages; its cost is noted in the profile.

    plan: of the rollup, or the selector itself
    """
    leaf, compiled = pipeline.leaf, pipeline.compiled
    if compiled is not None:
        fill = compiled.rollup.fill
        if plan is not select:
            fill = _observed_fill(fill, plan, profile)
        refs = [
            SeriesBatchRef(_timed(ref.load, select, profile), ref.samples)
            for ref in compiled.batches
        ]
        compiled = replace(compiled, batches=refs, rollup=replace(compiled.rollup, fill=fill))
    return replace(
        pipeline,
        views=[_timed(load, select, profile) for load in pipeline.views],
        leaf=leaf if plan is select else _observed_leaf(leaf, plan, profile),
        compiled=compiled,
    )


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


def profiled_stage(stage: Stage, node: Plan, profile: Profile) -> Stage:
    """The same stage; its cost is noted in the profile."""

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
    """The number of values, and their memory."""
    if valid is None:
        return values.size, values.nbytes
    there = int(np.count_nonzero(np.broadcast_to(valid, values.shape)))
    return there, values.nbytes + valid.nbytes
