"""The values of expressions.

A `StepMatrix` is an instant vector at every step. Absence is the validity mask, never NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from novaql.errors import EvaluationError
from novaql.evaluator.kernels.windows import Bools, Floats, Ints
from novaql.fast_dataclass import dataclass
from novaql.result import NativeCells
from novaql.tsdb.model.histograms import concat_histograms
from novaql.tsdb.model.labels import METRIC_NAME, SeriesTable, concat_tables

NAME_LABELS = (METRIC_NAME, "__type__", "__unit__")
"""Labels that describe the quantity of a series; a function's result is another quantity."""

JOINED_BYTES = 40
"""Bytes of a cell while `join_equal_rows` works."""


@dataclass(frozen=True, slots=True, eq=False)
class StepMatrix:
    """series: labels [S]; values [S, J]; valid [S, J] or None (all are there).

    native    cells that hold native histograms; None: there are none. Their `values` are 0
    nameless  [S]: the name is to be dropped at the end of the query (delayed name removal)
    ordered   the order of rows means something (sort, topk), for instant queries
    """

    series: SeriesTable
    values: Floats
    valid: Bools | None
    nameless: Bools
    ordered: bool = False
    native: NativeCells | None = None

    @property
    def rows(self) -> int:
        return len(self.values)

    @property
    def steps(self) -> int:
        return int(self.values.shape[1])

    def presence(self) -> Bools:
        """The validity mask, written out."""
        return np.ones(self.values.shape, np.bool_) if self.valid is None else self.valid

    def steps_present(self) -> Bools:
        """[J]: whether any row has a value."""
        some: Bools = np.logical_or.reduce(self.presence(), axis=0)
        return some

    def floats(self) -> Bools:
        """[S, J]: where there is a float."""
        there = self.presence()
        return there if self.native is None else there & (self.native.which < 0)

    def histograms(self) -> Bools:
        """[S, J]: where there is a native histogram."""
        if self.native is None:
            return np.zeros(self.values.shape, np.bool_)
        return self.presence() & (self.native.which >= 0)

    def floats_only(self) -> StepMatrix:
        """Return the matrix without the histograms."""
        if self.native is None:
            return self
        return replace(self, valid=self.floats(), native=None).without_empty_rows()

    def take(self, rows: Ints | Bools, series: SeriesTable | None = None) -> StepMatrix:
        """Some rows; series: their labels, if they are known."""
        return replace(
            self,
            series=self.series.take(rows) if series is None else series,
            values=self.values[rows],
            valid=None if self.valid is None else self.valid[rows],
            nameless=self.nameless[rows],
            native=None
            if self.native is None
            else NativeCells(self.native.histograms, self.native.which[rows]),
        )

    def marked_keys(self) -> Ints:
        """[S]: equal for rows with equal labels, of which both or neither lose their name."""
        return self.series.keys() * 2 + self.nameless

    def in_order(self) -> StepMatrix:
        """Return the matrix with its rows in the order of label sets."""
        order, series = self.series.in_order()
        return self.take(order, series)

    def without_empty_rows(self) -> StepMatrix:
        """Rows that have a value at some step."""
        if self.valid is None:
            return self
        some: Bools = np.logical_or.reduce(self.valid, axis=1)
        return self if some.all() else self.take(some)

    def broadcast(self, steps: int) -> StepMatrix:
        """One step, repeated."""
        shape = (self.rows, steps)
        return replace(
            self,
            values=np.broadcast_to(self.values, shape),
            valid=None if self.valid is None else np.broadcast_to(self.valid, shape),
            native=None
            if self.native is None
            else NativeCells(self.native.histograms, np.broadcast_to(self.native.which, shape)),
        )

    def mark_nameless(self) -> StepMatrix:
        return replace(self, nameless=np.ones(self.rows, np.bool_))


def matrix(
    series: SeriesTable, values: Floats, valid: Bools | None = None, *, nameless: bool = False
) -> StepMatrix:
    """valid may be any shape that broadcasts against values."""
    if valid is not None and valid.shape != values.shape:
        valid = np.broadcast_to(valid, values.shape)
    return StepMatrix(series, values, valid, np.full(len(series), nameless))


def empty_matrix(steps: int) -> StepMatrix:
    return matrix(SeriesTable.unlabelled(0), np.zeros((0, steps)))


def scalar_matrix(values: Floats) -> StepMatrix:
    """A scalar at each step [J] as one series without labels."""
    return matrix(SeriesTable.unlabelled(), values[None, :])


def stack(parts: list[StepMatrix]) -> StepMatrix:
    """Return the rows of all parts, part after part."""
    if len(parts) == 1:
        return parts[0]
    valid = None
    if any(part.valid is not None for part in parts):
        valid = np.concatenate([part.presence() for part in parts])
    return StepMatrix(
        concat_tables([part.series for part in parts]),
        np.concatenate([part.values for part in parts]),
        valid,
        np.concatenate([part.nameless for part in parts]),
        native=_stack_native(parts),
    )


def _stack_native(parts: list[StepMatrix]) -> NativeCells | None:
    if all(part.native is None for part in parts):
        return None
    held, which, before = [], [], 0
    for part in parts:
        if part.native is None:
            which.append(np.full(part.values.shape, -1, np.int32))
            continue
        moved = part.native.which + np.int32(before)
        which.append(np.where(part.native.which < 0, np.int32(-1), moved))
        held.append(part.native.histograms)
        before += len(part.native.histograms)
    return NativeCells(concat_histograms(held), np.concatenate(which))


def drop_names(table: SeriesTable, nameless: Bools) -> SeriesTable:
    """Remove the name labels from the marked rows."""
    if not nameless.any() or not any(name in table.columns for name in NAME_LABELS):
        return table
    if nameless.all():
        return table.drop(NAME_LABELS)
    for name in NAME_LABELS:
        if name in table.columns:
            column = table.columns[name]
            codes = np.where(nameless, 0, column.codes).astype(np.int32)
            table = table.with_column(name, replace(column, codes=codes))
    return table


def same_labels(_row: int, _other: int) -> Exception:
    return EvaluationError("vector cannot contain metrics with the same labelset")


def join_equal_rows(
    found: StepMatrix,
    on_overlap: Callable[[int, int], Exception] = same_labels,
    *,
    keys: Ints | None = None,
) -> StepMatrix:
    """Make one row of rows with equal labels (or equal `keys`); the first one's labels stay.

    on_overlap(row, other) makes the error to raise when two of them have a value at one step.
    """
    if found.rows < 2 or (keys is None and found.series.is_distinct()):
        return found
    if keys is None:
        keys = found.series.keys()
    distinct, first = np.unique(keys, return_index=True)
    if len(distinct) == found.rows:
        return found
    order = np.argsort(first)
    rows, number = first[order], np.empty_like(order)
    number[order] = np.arange(len(order))
    group = number[np.searchsorted(distinct, keys)]
    shape, present = (len(rows), found.steps), found.presence()
    cells = (group[:, None] * found.steps + np.arange(found.steps))[present]
    counts = np.bincount(cells, minlength=shape[0] * shape[1])
    if counts.max(initial=0) > 1:
        clash, step = divmod(int(np.argmax(counts > 1)), found.steps)
        two = np.flatnonzero((group == clash) & present[:, step])[:2].tolist()
        raise on_overlap(two[0], two[1])
    values = np.zeros(shape)
    values.reshape(-1)[cells] = found.values[present]
    native = None
    if found.native is not None:
        which = np.full(shape, -1, np.int32)
        which.reshape(-1)[cells] = found.native.which[present]
        native = NativeCells(found.native.histograms, which)
    return StepMatrix(
        found.series.take(rows),
        values,
        counts.reshape(shape) > 0,
        found.nameless[rows],
        found.ordered,
        native,
    )
