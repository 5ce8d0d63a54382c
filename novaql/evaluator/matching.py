"""Matches the rows of two vectors."""

from __future__ import annotations

import numpy as np

from novaql.evaluator.kernels.windows import Ints
from novaql.fast_dataclass import dataclass
from novaql.language.ast import Matching
from novaql.tsdb.model.labels import METRIC_NAME, SeriesTable, concat_tables


@dataclass(frozen=True, slots=True, eq=False)
class MatchKeys:
    """left [L], right [R]: equal numbers where the match labels are equal; dense, < count."""

    left: Ints
    right: Ints
    count: int


def match_labels(series: SeriesTable, matching: Matching, *, renamed: bool = False) -> SeriesTable:
    """The labels that count, under the names of the left side.

    renamed  the series are those of the right side, whose labels may have other names
    """
    if not matching.on:
        return series.drop({*matching.labels, METRIC_NAME})
    if not (renamed and matching.renamed):
        return series.keep(matching.labels)
    other = dict(matching.renamed)
    columns = {name: series.column(other.get(name, name)) for name in matching.labels}
    return SeriesTable.from_columns(series.rows, columns)


def match_keys(
    left: SeriesTable, right: SeriesTable, matching: Matching, *, swapped: bool = False
) -> MatchKeys:
    """swapped: `left` is the right side of the operator, whose labels may have other names."""
    tables = [
        match_labels(left, matching, renamed=swapped),
        match_labels(right, matching, renamed=not swapped),
    ]
    both = concat_tables(tables)
    keys = both.keys()
    return MatchKeys(keys[: left.rows], keys[left.rows :], int(keys.max(initial=-1)) + 1)


def pair_count(keys: MatchKeys) -> int:
    """How many pairs have equal keys."""
    left = np.bincount(keys.left, minlength=keys.count)
    right = np.bincount(keys.right, minlength=keys.count)
    return int(left @ right)


def pairs_of(left: Ints, right: Ints) -> tuple[Ints, Ints]:
    """Row numbers (l, r) of all pairs with equal keys, in order of l."""
    order = np.argsort(right, kind="stable")
    ordered = right[order]
    first = np.searchsorted(ordered, left, side="left")
    counts = np.searchsorted(ordered, left, side="right") - first
    rows = np.repeat(np.arange(len(left)), counts)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return rows, order[np.repeat(first, counts) + within]
