"""Arithmetic, comparison and set operators between two vectors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from novaql.errors import EvaluationError
from novaql.evaluator.context import Context
from novaql.evaluator.kernels.elementwise import ARITHMETIC, COMPARISON
from novaql.evaluator.kernels.windows import Bools, Floats, Ints
from novaql.evaluator.matching import MatchKeys, match_keys, match_labels, pair_count, pairs_of
from novaql.evaluator.matrix import (
    NAME_LABELS,
    StepMatrix,
    drop_names,
    join_equal_rows,
    matrix,
    stack,
)
from novaql.evaluator.operators.arithmetic import drops_name
from novaql.evaluator.operators.native_binary import combine_matrices
from novaql.evaluator.working_memory import admit_work
from novaql.fast_dataclass import dataclass
from novaql.language.ast import Cardinality, Matching
from novaql.language.precedence import TRIM_OPERATORS
from novaql.planner.logical import BinaryOp
from novaql.text.go_text import label_text
from novaql.tsdb.model.labels import METRIC_NAME, SeriesTable, concat_tables

SET_OPERATORS = frozenset({"and", "or", "unless"})
MANY_TO_ONE_NOT_EXPLICIT = (
    "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
)
GROUPING_NOT_UNIQUE = "multiple matches for labels: grouping labels must ensure unique matches"


def present_by_key(keys: Ints, present: Bools, count: int) -> Bools:
    """[count, J]: is any row of the key there?"""
    out = np.zeros((count, present.shape[1]), np.bool_)
    if len(keys):
        order = np.argsort(keys, kind="stable")
        starts = np.flatnonzero(np.diff(keys[order], prepend=-1))
        out[keys[order][starts]] = np.logical_or.reduceat(present[order], starts, axis=0)
    return out


def set_operation(
    context: Context, op: str, matching: Matching, left: StepMatrix, right: StepMatrix
) -> StepMatrix:
    """and, unless: rows of the left by whether the right has a partner; or: left, then the rest."""
    admit_work(context, op, left.rows + right.rows, left.steps)
    keys = match_keys(left.series, right.series, matching)
    context.checkpoint()
    in_left, in_right = left.presence(), right.presence()
    if op == "or":
        taken = present_by_key(keys.left, in_left, keys.count)
        rest = replace(right, valid=in_right & ~taken[keys.right]).without_empty_rows()
        both = stack([left, rest])
        context.checkpoint()
        return join_equal_rows(both, keys=both.marked_keys())
    partner = present_by_key(keys.right, in_right, keys.count)[keys.left]
    context.checkpoint()
    keep = in_left & (partner if op == "and" else ~partner)
    return replace(left, valid=keep).without_empty_rows()


@dataclass(frozen=True, slots=True, eq=False)
class _Pairs:
    """Partners before the operator: rows of both sides side by side.

    many, one    [P, J]; there [P, J]: both are there (or filled in)
    labels       of each row, the operator's doing not yet applied
    """

    many: StepMatrix
    one: StepMatrix
    there: Bools
    labels: SeriesTable
    nameless: Bools
    keys: Ints

    def without_empty_rows(self) -> _Pairs:
        """The pairs that are there at some step."""
        some: Bools = np.logical_or.reduce(self.there, axis=1)
        if some.all():
            return self
        return _Pairs(
            self.many.take(some),
            self.one.take(some),
            self.there[some],
            self.labels.take(some),
            self.nameless[some],
            self.keys[some],
        )


def vector_vector(
    context: Context,
    node: BinaryOp,
    left: StepMatrix,
    right: StepMatrix,
    *,
    retain_names: bool = False,
) -> StepMatrix:
    """The operator between rows that match.

    retain_names  results have the names of the left side, or of the "many" side
    """
    matching = node.matching
    rows = max(left.rows, right.rows)
    admit_work(context, node.op, rows, left.steps)
    swapped = matching.cardinality is Cardinality.ONE_TO_MANY
    many, one = (right, left) if swapped else (left, right)
    # Prometheus swaps the sides under group_right, but not the fills: fill_left then fills in the
    # many side, although that is on the right.
    fill_many, fill_one = matching.fill_left, matching.fill_right
    keys = match_keys(many.series, one.series, matching, swapped=swapped)
    many_there, one_there = many.presence(), one.presence()
    if fill_many is None and fill_one is None:
        # A step at which one side is empty is not searched for duplicates.
        active = many_there.any(axis=0) & one_there.any(axis=0)
        many_there, one_there = many_there & active, one_there & active
    many, one = replace(many, valid=many_there), replace(one, valid=one_there)
    context.checkpoint()
    _check_unique(one, keys.right, matching, side="left" if swapped else "right")
    pairs_found = pair_count(keys)
    if pairs_found > rows:  # series of one key, of which no step has two
        admit_work(context, node.op, pairs_found, left.steps)
    context.checkpoint()
    pairs = _pairs(many, one, keys, node, fill_many, fill_one, swapped=swapped)
    context.checkpoint()
    if retain_names:
        pairs = replace(pairs, labels=_with_names(pairs))
    return _apply(context, node, pairs, swapped=swapped, retain_names=retain_names)


def _with_names(pairs: _Pairs) -> SeriesTable:
    names = drop_names(pairs.many.series, pairs.many.nameless).column(METRIC_NAME)
    return pairs.labels.with_column(METRIC_NAME, names)


def _check_unique(one: StepMatrix, keys: Ints, matching: Matching, *, side: str) -> None:
    """Raise if a key has two rows at one step on the side where it must have one."""

    def clash(row: int, other: int) -> Exception:
        ones = match_labels(one.series, matching, renamed=side == "right")
        group = label_text(ones.labels(row))
        two = ", ".join(sorted(label_text(one.series.labels(r)) for r in (row, other)))
        return EvaluationError(
            f"found duplicate series for the match group {group} on the {side} hand-side of the "
            f"operation: [{two}];many-to-many matching not allowed: "
            "matching labels must be unique on one side"
        )

    join_equal_rows(one, clash, keys=keys)


def _pairs(
    many: StepMatrix,
    one: StepMatrix,
    keys: MatchKeys,
    node: BinaryOp,
    fill_many: float | None,
    fill_one: float | None,
    *,
    swapped: bool,
) -> _Pairs:
    matching = node.matching
    many_there, one_there = many.presence(), one.presence()
    if matching.include or matching.include_all or len(np.unique(keys.right)) == one.rows:
        many_row, one_row = pairs_of(keys.left, keys.right)
        partner = one.take(one_row)
    else:
        # The values of several rows of one key form one row if no step has two of them.
        joined = join_equal_rows(one, keys=keys.right)
        _, first = np.unique(keys.right, return_index=True)
        joined_keys = keys.right[np.sort(first)]
        many_row, one_row = pairs_of(keys.left, joined_keys)
        partner = replace(joined.take(one_row), series=one.series.take(np.sort(first)[one_row]))
    each = many.take(many_row)
    there = each.presence() & partner.presence()
    labels = _labels(each.series, partner.series, node)
    parts = [_Pairs(each, partner, there, labels, each.nameless, keys.left[many_row])]
    if fill_one is not None:
        # Rows of the many side at steps where their key has no partner.
        alone = many_there & ~present_by_key(keys.right, one_there, keys.count)[keys.left]
        nothing = match_labels(many.series, matching, renamed=swapped)
        labels = _labels(many.series, nothing, node)
        filled = matrix(nothing, np.full(many.values.shape, fill_one))
        parts.append(_Pairs(many, filled, alone, labels, many.nameless, keys.left))
    if fill_many is not None:
        alone = one_there & ~present_by_key(keys.left, many_there, keys.count)[keys.right]
        bare = match_labels(one.series, matching, renamed=not swapped)
        labels = _labels(bare, one.series, node)
        filled = matrix(bare, np.full(one.values.shape, fill_many))
        parts.append(_Pairs(filled, one, alone, labels, filled.nameless, keys.right))
    return _stacked([parts[0], *(part.without_empty_rows() for part in parts[1:])])


def _stacked(parts: list[_Pairs]) -> _Pairs:
    if len(parts) == 1:
        return parts[0]
    return _Pairs(
        stack([p.many for p in parts]),
        stack([p.one for p in parts]),
        np.concatenate([p.there for p in parts]),
        concat_tables([p.labels for p in parts]),
        np.concatenate([p.nameless for p in parts]),
        np.concatenate([p.keys for p in parts]),
    )


def _labels(many: SeriesTable, one: SeriesTable, node: BinaryOp) -> SeriesTable:
    """Result labels of pairs: of the many side, with what `group_…(include)` copies. Arithmetic
    removes the name before that, so `group_left (__name__)` copies the name of the one side."""
    matching = node.matching
    if node.op in ARITHMETIC:
        many = many.drop(NAME_LABELS)
    if matching.cardinality is Cardinality.ONE_TO_ONE:
        return many.keep(matching.labels) if matching.on else many.drop(matching.labels)
    include = matching.include
    if matching.include_all:
        matched = set(matching.labels) if matching.on else set()
        include = tuple(name for name in one.names() if name not in {*matched, METRIC_NAME})
    for name in include:
        column, given = one.columns.get(name), matching.prefix + name
        many = many.drop([given]) if column is None else many.with_column(given, column)
    return many


def _apply(
    context: Context, node: BinaryOp, pairs: _Pairs, *, swapped: bool, retain_names: bool
) -> StepMatrix:
    left, right = (pairs.one, pairs.many) if swapped else (pairs.many, pairs.one)
    labels = pairs.labels
    if node.return_bool and not retain_names:
        labels = labels.drop(NAME_LABELS)
    nameless = np.zeros(len(labels), np.bool_) if drops_name(node) else pairs.nameless
    with np.errstate(all="ignore"):
        if left.native is None and right.native is None and node.op not in TRIM_OPERATORS:
            values, keep = _floats(node, left.values, right.values, pairs.there)
            native = None
        else:
            values, keep, native = combine_matrices(context, node, left, right, pairs.there)
    # Duplicates are an error even if the comparison would remove them.
    before = StepMatrix(labels, values, pairs.there, nameless, native=native)
    after = replace(before, valid=keep)
    if node.matching.cardinality is Cardinality.ONE_TO_ONE:
        message = MANY_TO_ONE_NOT_EXPLICIT
        join_equal_rows(before, lambda _row, _other: EvaluationError(message), keys=pairs.keys)
        context.checkpoint()
    else:
        message = GROUPING_NOT_UNIQUE
    join_equal_rows(before, lambda _row, _other: EvaluationError(message))
    context.checkpoint()
    return join_equal_rows(after).without_empty_rows()


def _floats(node: BinaryOp, left: Floats, right: Floats, there: Bools) -> tuple[Floats, Bools]:
    if node.op in ARITHMETIC:
        return ARITHMETIC[node.op](left, right), there
    holds = COMPARISON[node.op](left, right)
    if node.return_bool:
        return holds.astype(np.float64), there
    return left, there & holds
