"""info(): join series with the labels of their info series (`target_info` and its like)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from novaql.errors import EvaluationError
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
    enriched = _enrich(base.take(~is_info), found, wanted)
    return stack([base.take(is_info), enriched]) if is_info.any() else enriched


def _enrich(base: StepMatrix, found: StepMatrix, wanted: _Wanted) -> StepMatrix:
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
    parts = []
    present = base.presence()
    signature = np.zeros(present.shape, np.int64)
    for choice in choices:
        signature = signature * (found.rows + 1) + choice + 1
        _, dense = np.unique(signature, return_inverse=True)
        signature = dense.reshape(present.shape).astype(np.int64)
    for value in np.unique(signature[present]).tolist():
        here = present & (signature == value)
        rows = np.flatnonzero(here.any(axis=1))
        first = np.argmax(here[rows], axis=1)
        picks = [choice[rows, first] for choice in choices]
        part = replace(base.take(rows), valid=here[rows])
        parts.append(_labelled(part, found.series, picks, wanted))
    if not parts:
        return base.take(np.zeros(base.rows, np.bool_))
    together = stack(parts)
    return join_equal_rows(together, keys=together.marked_keys()).without_empty_rows()


def _newest(found: StepMatrix, members: Ints, base_key: Ints, info_key: Ints) -> Ints:
    """[base rows, J]: the member with the newest sample among those of the same key, or -1."""
    times = np.where(found.presence()[members], found.values[members], -np.inf)
    out = np.full((len(base_key), found.steps), -1, np.int64)
    for key in np.unique(info_key[members]).tolist():
        of_key = np.flatnonzero(info_key[members] == key)
        best = np.argmax(times[of_key], axis=0)
        newest = times[of_key].max(axis=0)
        tied = (times[of_key] == newest).sum(axis=0) > 1
        if (tied & np.isfinite(newest)).any():
            two = [label_text(found.series.labels(int(r))) for r in members[of_key[:2]]]
            raise EvaluationError(
                f"found duplicate series for info metric: existing {two[0]}, new {two[1]}"
            )
        pick = np.where(np.isfinite(newest), members[of_key[best]], -1)
        out[base_key == key] = pick
    return out


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
