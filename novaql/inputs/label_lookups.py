"""Label names and values of a source, from the label sets of its series."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.matchers import Matcher


class LabelLookups(ABC):
    """Base of a `Source` that reads all label sets to find label names and values."""

    @abstractmethod
    def series(
        self, matcher_sets: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int
    ) -> SeriesTable:
        """See `Source.series`."""

    def label_names(
        self, matcher_sets: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int
    ) -> list[str]:
        """See `Source.label_names`."""
        return sorted(self.series(matcher_sets, start_ms, end_ms).names())

    def label_values(
        self, name: str, matcher_sets: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int
    ) -> list[str]:
        """See `Source.label_values`."""
        column = self.series(matcher_sets, start_ms, end_ms).column(name)
        return sorted({column.values[code] for code in np.unique(column.codes).tolist() if code})
