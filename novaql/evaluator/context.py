"""State that the operators of one query share: source, options, budget and annotations."""

from __future__ import annotations

import os
import time
from collections.abc import Hashable, Iterator
from dataclasses import field
from functools import cached_property

import numpy as np

from novaql.cancellation import Cancellation, Running
from novaql.errors import LimitExceeded
from novaql.evaluator.kernels.windows import Bools, Floats
from novaql.evaluator.memory import QueryMemory
from novaql.evaluator.profile import Profile
from novaql.evaluator.selections import Alternatives, any_of, common_matchers
from novaql.evaluator.steps import Steps
from novaql.fast_dataclass import dataclass
from novaql.options import NameRemoval, QueryOptions
from novaql.span import Span
from novaql.text.unicode import valid_text
from novaql.tsdb.model.matchers import Matcher, PatternTooCostly
from novaql.tsdb.model.read_errors import ReadErrors
from novaql.tsdb.model.source import Hints, RangeWindows, Selection, Source, supports_downsampling

CELL_BYTES = 9
"""Bytes of a cell of a matrix: a value, and whether it is present."""

STEP_BYTES = 40
"""A time, and the working memory of an operator between scalars."""

CELLS_AT_ONCE = 1 << 19
"""Cells sorted or joined between two checkpoints: some tenths of a second."""

SMALL_BYTES = 1 << 16
"""Smaller sizes are not counted."""


@dataclass(slots=True)
class Annotations:
    """Warnings and infos: text → start of the expression. Equal texts are reported once."""

    warnings: dict[str, Span] = field(default_factory=dict)
    infos: dict[str, Span] = field(default_factory=dict)

    def warn(self, text: str, span: Span) -> None:
        self.warnings.setdefault(valid_text(f"PromQL warning: {text}"), span)

    def info(self, text: str, span: Span) -> None:
        self.infos.setdefault(valid_text(f"PromQL info: {text}"), span)


class Context:
    """One evaluation. Not shared between queries."""

    def __init__(
        self,
        source: Source,
        options: QueryOptions,
        cancellation: Cancellation | None = None,
        profile: Profile | None = None,
    ) -> None:
        self.profile = profile
        self.source = source
        self.options = options
        self.annotations = Annotations()
        self.now_s = time.time()
        """The time of the clock, one for the whole evaluation."""
        self.memory = QueryMemory(options.limits.bytes, options.limits.shared)
        self.read_errors = None if options.strict else ReadErrors()
        """Read errors of the store, which become warnings. None: damage fails the query."""
        self.series_selected = 0
        self.samples_read = 0
        self.downsampled: tuple[int, int] | None = None
        """See `Downsampled`: of all that was selected."""
        self._selections: dict[Hashable, Selection] = {}
        self._admitted: set[tuple[tuple[Matcher, ...], int, int]] = set()
        self.checkpoint = Running(cancellation, options.timeout_s).checkpoint
        """Called between batches and operators."""

    @cached_property
    def entropy(self) -> int:
        """The seed of all random numbers of the evaluation that have no seed of their own."""
        return int.from_bytes(os.urandom(8))

    @property
    def is_quiet(self) -> bool:
        """Whether there are no annotations and no read errors."""
        noted = self.annotations.warnings or self.annotations.infos
        return not noted and not self.read_errors

    def forget_annotations(self) -> None:
        """Reset it before the whole query is evaluated again."""
        self.annotations = Annotations()

    @property
    def eager_names(self) -> bool:
        return self.options.name_removal is NameRemoval.EAGER

    def reach_ms(self, range_ms: int) -> int:
        """The distance, exclusive, from the right end of a window of this length to its left
        end."""
        return range_ms + 1 if self.options.left_closed else range_ms

    def stretches(self, rows: int, steps: int) -> Iterator[slice]:
        """Steps in stretches of about `CELLS_AT_ONCE` cells of `rows`, a checkpoint before each."""
        wide = max(1, CELLS_AT_ONCE // max(rows, 1))
        for first in range(0, steps, wide):
            self.checkpoint()
            yield slice(first, min(first + wide, steps))

    def select(
        self,
        matchers: tuple[Matcher, ...],
        start_ms: int,
        end_ms: int,
        windows: RangeWindows | None = None,
        labels: frozenset[str] | None = None,
        alternatives: Alternatives = (),
    ) -> Selection:
        """A selection of the source, admitted to the budget. Equal selections are requested once.

        windows  all that its floats are for, if that is known
        labels   no others will be read; always the same for the same matchers
        alternatives  sets of matchers of which any one must hold, beside `matchers`
        """
        if alternatives:
            if labels is not None:
                labels |= {matcher.name for each in alternatives for matcher in each}
            wide = (*matchers, *common_matchers(alternatives))
            of_all = matchers, alternatives, start_ms, end_ms, labels
            if of_all not in self._selections:
                whole = self.select(wide, start_ms, end_ms, None, labels)
                self._selections[of_all] = any_of(whole, alternatives)
            return self._selections[of_all]
        if self.eager_names:
            labels = None  # whether names may go is noted by all of them
        use = None
        if windows is not None:
            use = windows.names, windows.ends_ms.tobytes()
        key = matchers, start_ms, end_ms, use, labels
        known = self._selections.get(key)
        if known is not None:
            return known
        plain = None
        if windows is not None:
            plain = self._selections.get((matchers, start_ms, end_ms, None, labels))
        hints = Hints(labels=labels, read_errors=self.read_errors, windows=windows, plain=plain)
        try:
            selection = self.source.select(matchers, start_ms, end_ms, hints)
        except PatternTooCostly as problem:
            raise LimitExceeded(str(problem)) from None
        self._note_downsampled(start_ms, end_ms)
        # Another use of the same samples costs no more, nor do rollups that the query requests.
        rolled = windows is not None and bool(self.options.rollup_ms)
        if key[:3] not in self._admitted and not rolled:
            self._admitted.add(key[:3])
            self.admit(selection)
        self._selections[key] = selection
        return selection

    def _note_downsampled(self, start_ms: int, end_ms: int) -> None:
        if supports_downsampling(self.source):
            found = self.source.downsampled_range(start_ms, end_ms)
            if found is not None:
                known = self.downsampled or found
                self.downsampled = max(known[0], found[0]), max(known[1], found[1])

    def in_memory(self) -> bool:
        """Whether all samples of the selections so far are in memory. False if that is
        undetermined."""
        return all(
            not selection.histograms
            and selection.cells is None
            and all(ref.ready is not None and ref.ready() for ref in selection.batches)
            for selection in self._selections.values()
        )

    def admit(self, selection: Selection) -> None:
        """Count a selection against the budget, before it is read."""
        limits = self.options.limits
        if limits.series and len(selection.series) > limits.series:
            raise LimitExceeded(
                f"a selector matches {len(selection.series)} series, the limit is {limits.series}"
            )
        self.series_selected += len(selection.series)
        self.samples_read += selection.samples
        if limits.samples and self.samples_read > limits.samples:
            raise LimitExceeded(
                f"the query would read {self.samples_read} samples, the limit is {limits.samples}"
            )

    def admit_matrix(self, rows: int, steps: int) -> None:
        """Reject a result that would not fit the memory budget, before it is allocated."""
        self.admit_cells(rows, steps, CELL_BYTES, "a result")

    def admit_cells(self, rows: int, steps: int, each: int, purpose: str) -> None:
        """Reject, before it begins, work on rows × steps cells that takes `each` bytes for a
        cell."""
        size = rows * steps * each
        if size > SMALL_BYTES:
            self.memory.admit(size, f"{purpose} of {rows} series × {steps} steps")

    def admit_points(self, steps: Steps) -> None:
        """Reject more steps than the budget allows, or whose times would not fit in memory."""
        limit = self.options.limits.points
        if limit and steps.count > limit:
            raise LimitExceeded(
                f"the query requests {steps.count} points per series, the limit is {limit}"
            )
        limit_bytes = self.options.limits.bytes
        if limit_bytes and 8 * steps.count > limit_bytes:
            raise LimitExceeded(
                f"the times of {steps.count} steps need {8 * steps.count >> 20} MiB, "
                f"the limit is {limit_bytes >> 20} MiB; take a longer step"
            )
        self.admit_times(steps)

    def admit_times(self, steps: Steps) -> None:
        """Reject steps whose times, and a scalar at each of them, would not fit in memory."""
        size = steps.count * STEP_BYTES
        if size > SMALL_BYTES:
            self.memory.admit(size, f"an evaluation at {steps.count} steps")


def allocate(context: Context, rows: int, steps: int) -> tuple[Floats, Bools]:
    """Values and mask of a matrix, all absent. Raises `LimitExceeded`."""
    context.admit_matrix(rows, steps)
    return np.zeros((rows, steps)), np.zeros((rows, steps), np.bool_)
