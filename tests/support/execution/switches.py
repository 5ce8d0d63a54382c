"""How a query is executed: threads, sizes of batches, kernels.

Answers must not depend on any of these, so they are not options of a query. Tests set them here,
and only this module names the constants.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pkgutil import resolve_name
from unittest import mock

from novaql.evaluator.kernels.dispatch import KERNELS
from novaql.tsdb.runtime.compiled import Mode

THREADS = "novaql.tsdb.runtime.parallel"
WORTH_A_THREAD = (
    "novaql.evaluator.pipeline.batch_run.WORTH_A_THREAD",
    "novaql.evaluator.pipeline.batch_run.ONCE_WORTH_A_THREAD",
    "novaql.evaluator.pipeline.batch_run.EDGES_WORTH_A_THREAD",
)
"""Batches below these are computed on the query's own thread."""

BATCH_SIZES = (
    "novaql.tsdb.read.batches.BATCH_VALUES",
    "novaql.tsdb.read.histogram_batches.BATCH_SAMPLES",
    "novaql.inputs.prometheus.layer_batches.BATCH_SAMPLES",
    "novaql.inputs.tables.table_source.BATCH_VALUES",
    "novaql.inputs.tables.table_source.LARGE",
    "novaql.tsdb.model.batch_views.VIEW_VALUES",
    "novaql.evaluator.pipeline.batch_run.CELLS_AT_ONCE",
    "novaql.evaluator.pipeline.view_run.JOINED_CELLS",
)
"""Samples or cells that the store reads, or the engine folds, at a time."""

LARGE_ROLLUPS = (
    "novaql.evaluator.pipeline.stretches.STRETCH_CELLS",
    "novaql.evaluator.pipeline.stretches.CELLS_PER_SAMPLE",
)
"""The size above which the rollup below `quantile` is computed some steps at a time."""

FEW_POINTS = "novaql.export.few_series.MOST_POINTS"
"""The most points that JSON writes value by value."""

STRETCHES = {
    "cells": (
        "novaql.evaluator.context.CELLS_AT_ONCE",
        "novaql.evaluator.distinct.CELLS_AT_ONCE",
        "novaql.evaluator.operators.aggregate.CELLS_AT_ONCE",
        "novaql.evaluator.operators.classic_histogram.CELLS_AT_ONCE",
        "novaql.evaluator.operators.quantile.CELLS_AT_ONCE",
    ),
    "cost": (
        "novaql.evaluator.pipeline.long_windows.COST_AT_ONCE",
        "novaql.evaluator.pipeline.batch_run.COST_AT_ONCE",
        "novaql.evaluator.pipeline.view_run.COST_AT_ONCE",
        "novaql.evaluator.operators.rollup.COST_AT_ONCE",
    ),
    "buckets": ("novaql.evaluator.native_pieces.BUCKETS_AT_ONCE",),
}
"""Work between two checkpoints: cells of matrices, samples of windows, buckets of histograms."""


@contextmanager
def _replaced(**values: object) -> Iterator[None]:
    for name in values:  # a module that loads later would import the replaced value
        resolve_name(name)
    with ExitStack() as stack:
        for name, value in values.items():
            stack.enter_context(mock.patch(name, value))
        yield


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Queries use this many threads, independently of the machine and of the amount of work."""
    worth = dict.fromkeys(WORTH_A_THREAD, 1 if count > 1 else 1 << 60)
    with ThreadPoolExecutor(max(1, count - 1), thread_name_prefix="novaql-batch") as pool:
        patched = {f"{THREADS}._cores": lambda: count, f"{THREADS}._helpers": lambda _: pool}
        with _replaced(**worth, **patched):
            yield


@contextmanager
def batch_size(values: int | None) -> Iterator[None]:
    """Batches of about this many samples. None: the usual size."""
    with _replaced(**dict.fromkeys(BATCH_SIZES if values else (), values)):
        yield


@contextmanager
def stretches(kind: str, size: int) -> Iterator[None]:
    """At most this much work of a kind between two checkpoints. kind: a key of `STRETCHES`."""
    with _replaced(**dict.fromkeys(STRETCHES[kind], size)):
        yield


@contextmanager
def rollup_stretches(cells: int) -> Iterator[None]:
    """A rollup of more cells than this counts as large, and is computed in stretches of this many
    cells."""
    with _replaced(**dict(zip(LARGE_ROLLUPS, (cells, 0), strict=True))):
        yield


@contextmanager
def few_points(most: int) -> Iterator[None]:
    """JSON of up to this many points is written value by value. 0: none."""
    with _replaced(**{FEW_POINTS: most}):
        yield


@contextmanager
def kernels(*, compiled: bool) -> Iterator[None]:
    """Evaluate everything with compiled kernels, or everything with NumPy."""
    with KERNELS.forced(Mode.ON if compiled else Mode.OFF):
        if compiled:
            KERNELS.prepare()
        yield
