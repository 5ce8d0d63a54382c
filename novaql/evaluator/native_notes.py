"""Warnings and infos about native histograms: their texts in one place."""

from __future__ import annotations

import numpy as np

from novaql.evaluator.context import Context
from novaql.evaluator.kernels.windows import Bools
from novaql.span import Span
from novaql.text.go_text import quote
from novaql.tsdb.model.labels import METRIC_NAME, SeriesTable

MIXED_FLOATS = "encountered a mix of histograms and floats for metric name {}"
MIXED_SCHEMAS = (
    "vector contains a mix of histograms with exponential and custom buckets schemas "
    "for metric name {}"
)
NOT_COUNTER = "this native histogram metric is not a counter: {}"
NOT_GAUGE = "this native histogram metric is not a gauge: {}"
OVERLAPPING = "sample has start time that overlaps with previous sample timestamp for metric {}"
IGNORED_IN_RANGE = (
    "ignored histograms in a range containing both floats and histograms for metric name {}"
)


class Notes:
    """Annotates series by the name of their metric, at one place of the query.

    context  that of the query
    """

    def __init__(self, context: Context, series: SeriesTable, span: Span) -> None:
        self.context = context
        self._annotations = context.annotations
        self._names = series.column(METRIC_NAME)
        self._span = span

    def _metrics(self, cells: Bools) -> list[str]:
        rows = cells if cells.ndim == 1 else np.logical_or.reduce(cells, axis=1)
        return [self._names.values[code] for code in np.unique(self._names.codes[rows]).tolist()]

    def _texts(self, template: str, cells: Bools) -> list[str]:
        return [template.format(quote(name)) for name in self._metrics(cells)]

    def warn(self, template: str, cells: Bools) -> None:
        """cells: [S] or [S, J], the series that the note is about."""
        for text in self._texts(template, cells):
            self._annotations.warn(text, self._span)

    def info(self, template: str, cells: Bools) -> None:
        for text in self._texts(template, cells):
            self._annotations.info(text, self._span)

    def warn_for_metric(self, template: str, cells: Bools) -> None:
        """The template is filled with ` for metric name …`, or with nothing if the name was
        removed."""
        for name in self._metrics(cells):
            self._annotations.warn(_for_metric(template, name), self._span)

    def info_for_metric(self, template: str, cells: Bools) -> None:
        """The same for a function that removes the name before it has a result."""
        for name in self._metrics(cells):
            shown = "" if self.context.eager_names else name
            self._annotations.info(_for_metric(template, shown), self._span)

    def conflicting_resets(self, operation: str, where: Bools) -> None:
        if where.any():
            text = f"conflicting counter resets during histogram {operation}"
            self._annotations.warn(text, self._span)

    def bounds_reconciled(self, operation: str, where: Bools) -> None:
        if where.any():
            text = f"mismatched custom buckets were reconciled during {operation}"
            self._annotations.info(text, self._span)


def _for_metric(template: str, name: str) -> str:
    return template.format(f" for metric name {quote(name)}" if name else "")
