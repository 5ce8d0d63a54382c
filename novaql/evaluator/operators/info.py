"""info(): join series with the labels of their info series (`target_info` and its like)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from novaql.errors import EvaluationError
from novaql.evaluator.context import Context
from novaql.evaluator.kernels.windows import Bools, Ints
from novaql.evaluator.matrix import StepMatrix, join_equal_rows, stack
from novaql.evaluator.operator import Operator
from novaql.evaluator.operators.info_reference import reference_of
from novaql.evaluator.operators.selector import timestamp_pipeline
from novaql.evaluator.pipeline.collect import collect
from novaql.evaluator.protocol import Runner
from novaql.evaluator.working_memory import admit_work
from novaql.fast_dataclass import dataclass
from novaql.planner.logical import FunctionCall, Select
from novaql.text.go_text import label_text
from novaql.tsdb.model.flat_arrays import is_identity
from novaql.tsdb.model.labels import METRIC_NAME, LabelColumn, SeriesTable, concat_tables
from novaql.tsdb.model.matchers import Matcher, MatchOp, select_rows

IDENTIFYING = ("instance", "job")
DEFAULT_NAME = Matcher(METRIC_NAME, MatchOp.EQUAL, "target_info")
ANY_INFO_NAME = Matcher(METRIC_NAME, MatchOp.REGEX, ".+_info")


@dataclass(frozen=True, slots=True)
class _Wanted:
    """names: matchers of info metrics; labels: matchers of the labels to add (none: all)."""

    names: tuple[Matcher, ...]
    labels: tuple[Matcher, ...]

    @classmethod
    def of(cls, call: FunctionCall) -> _Wanted:
        matchers: tuple[Matcher, ...] = ()
        if len(call.arguments) > 1:
            selector = call.arguments[1]
            assert isinstance(selector, Select)
            matchers = selector.matchers
        names = tuple(m for m in matchers if m.name == METRIC_NAME)
        if not names:
            names = (DEFAULT_NAME,)
        elif all(m.op.is_negative for m in names):
            names = (*names, ANY_INFO_NAME)
        return cls(names, tuple(m for m in matchers if m.name != METRIC_NAME))

    @property
    def required(self) -> bool:
        """Whether a series without info labels is to be dropped."""
        return any(not m.matches("") for m in self.labels)

    def added(self, series: SeriesTable) -> list[str]:
        """Names of the labels that info series add."""
        if self.labels:
            return sorted({m.name for m in self.labels} - set(IDENTIFYING))
        return [n for n in series.columns if n not in (METRIC_NAME, *IDENTIFYING)]


def info_select(call: FunctionCall) -> Select:
    """The selector of the info series."""
    wanted, when = _Wanted.of(call), reference_of(call.arguments[0])
    return Select((*wanted.names, *wanted.labels), when.offset_ms, when.at_ms, span=call.span)


def info(run: Runner, operator: Operator) -> StepMatrix:
    """`info(v, {…})`."""
    base = run.vector(operator.operands[0])
    wanted = _Wanted.of(operator.call)
    admit_work(run.context, "info", base.rows, operator.steps.count)
    is_info = select_rows(base.series, wanted.names)
    pipeline = timestamp_pipeline(run.context, operator.operands[1])
    if pipeline.has_histograms:
        raise EvaluationError("info metrics are floats, but the selector matches native histograms")
    found = collect(pipeline, run.context)
    if not is_info.any():
        return _enrich(run.context, base, found, wanted)
    enriched = _enrich(run.context, base.take(~is_info), found, wanted)
    return stack([base.take(is_info), enriched])


def _enrich(context: Context, base: StepMatrix, found: StepMatrix, wanted: _Wanted) -> StepMatrix:
    if base.rows == 0:
        return base
    both = concat_tables([base.series, found.series]).keep(IDENTIFYING)
    keys = both.keys()
    base_key, info_key = keys[: base.rows], keys[base.rows :]
    names = found.series.column(METRIC_NAME).codes
    # One choice per info metric: the info series that each base series matches at each step.
    choices = [
        _newest(found, np.flatnonzero(names == name), base_key, info_key)
        for name in np.unique(names).tolist()
    ]
    rows, picks, valid = _stretches(context, base, choices)
    part = base if is_identity(rows, base.rows) else base.take(rows)
    labelled = _labelled(replace(part, valid=valid), found.series, picks, wanted)
    return join_equal_rows(labelled, keys=labelled.marked_keys()).without_empty_rows()


def _newest(found: StepMatrix, members: Ints, base_key: Ints, info_key: Ints) -> Ints:
    """[base rows, J]: the member with the newest sample among those of the same key, or -1."""
    members = members[np.argsort(info_key[members], kind="stable")]
    key = info_key[members]
    starts = np.flatnonzero(np.diff(key, prepend=-1))
    group = np.cumsum(np.diff(key, prepend=-1) != 0) - 1
    times = np.where(found.presence()[members], found.values[members], -np.inf)
    newest = np.maximum.reduceat(times, starts, axis=0)
    is_newest = (times == newest[group]) & np.isfinite(times)
    tied = np.add.reduceat(is_newest, starts, axis=0, dtype=np.int64) > 1
    if tied.any():
        which, step = (int(x[0]) for x in np.nonzero(tied))
        two = members[(group == which) & is_newest[:, step]][:2].tolist()
        existing, new = (label_text(found.series.labels(row)) for row in two)
        raise EvaluationError(
            f"found duplicate series for info metric: existing {existing}, new {new}"
        )
    chosen = np.maximum.reduceat(np.where(is_newest, members[:, None], -1), starts, axis=0)
    group_of_key = np.full(max(int(base_key.max()), int(info_key.max())) + 1, len(starts))
    group_of_key[key] = group
    nothing = np.full((1, found.steps), -1)
    picks: Ints = np.concatenate([chosen, nothing])[group_of_key[base_key]]
    return picks


def _stretches(
    context: Context, base: StepMatrix, choices: list[Ints]
) -> tuple[Ints, list[Ints], Bools]:
    """One row of the answer for each base series and combination of info series that it has.

    Returns the base series of each row, its info series by choice, and at which steps it is valid.
    """
    present = base.presence()
    rows = np.flatnonzero(present.any(axis=1))
    first = np.argmax(present[rows], axis=1)
    picks = [choice[rows, first] for choice in choices]
    varies = np.zeros(len(rows), np.bool_)
    for choice, pick in zip(choices, picks, strict=True):
        varies |= (present[rows] & (choice[rows] != pick[:, None])).any(axis=1)
    if not varies.any():
        return rows, picks, present[rows]
    constant, changing = rows[~varies], rows[varies]
    at, step = np.nonzero(present[changing])
    picked = [choice[changing[at], step] for choice in choices]
    which = at
    for pick in picked:
        key = which * (int(pick.max()) + 2) + pick + 1
        which = np.unique(key, return_inverse=True)[1].reshape(-1)
    _, cell = np.unique(which, return_index=True)  # the first of each combination
    admit_work(context, "info", len(constant) + len(cell), base.steps)
    valid = np.zeros((len(cell), base.steps), np.bool_)
    valid[which, step] = True
    return (
        np.concatenate([constant, changing[at[cell]]]),
        [
            np.concatenate([pick[~varies], other[cell]])
            for pick, other in zip(picks, picked, strict=True)
        ],
        np.concatenate([present[constant], valid]),
    )


def _first_of(own: LabelColumn, other: LabelColumn) -> LabelColumn:
    """The first column's text, or the second's where the first has none."""
    ids = {text: code for code, text in enumerate(own.values)}
    translate = np.array([ids.setdefault(text, len(ids)) for text in other.values], np.int32)
    codes = np.where(own.codes != 0, own.codes, translate[other.codes])
    return LabelColumn(codes.astype(np.int32), tuple(ids))


def _labelled(
    part: StepMatrix, info_series: SeriesTable, picks: list[Ints], wanted: _Wanted
) -> StepMatrix:
    """Add the labels of the picked info series; the base series' own labels win."""
    series = part.series
    matched: Bools = np.zeros(part.rows, np.bool_)
    for name in wanted.added(info_series):
        own, given = part.series.column(name), info_series.column(name)
        codes = np.zeros(part.rows, np.int32)
        for pick in picks:
            brought = np.where(pick >= 0, given.codes[pick], 0)
            if ((brought != 0) & (codes != 0) & (brought != codes)).any():
                raise EvaluationError(f"conflicting label: {name}")
            codes = np.where(codes == 0, brought, codes).astype(np.int32)
        series = series.with_column(name, _first_of(own, LabelColumn(codes, given.values)))
    for pick in picks:
        matched |= pick >= 0
    found = replace(part, series=series)
    return found.take(matched) if wanted.required else found
