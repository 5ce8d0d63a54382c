"""Facts about the data of a query: types of metrics, labels, whether any series matches."""

from __future__ import annotations

from collections.abc import Sequence

from novaql.tsdb.model.matchers import Matcher
from novaql.tsdb.model.source import MAX_TIME_MS, MIN_TIME_MS, Source


class Knowledge:
    """Facts about metrics and series that rules use. Without a source, only names are known.

    source            the data, or None
    start_ms, end_ms  the time that the query reads
    """

    def __init__(
        self,
        source: Source | None = None,
        start_ms: int = MIN_TIME_MS,
        end_ms: int = MAX_TIME_MS,
    ) -> None:
        self._source, self._start_ms, self._end_ms = source, start_ms, end_ms
        self._types = (
            {} if source is None else {name: m.type for name, m in source.metadata().items()}
        )

    @property
    def has_data(self) -> bool:
        return self._source is not None

    def type_of(self, metric: str) -> str | None:
        """ "counter", "gauge", "histogram", … as in the metric's metadata; None: unknown.

        The series of a classic histogram or summary are counters.
        """
        known = self._types.get(metric)
        if known in (None, "", "unknown"):
            stem, _, ending = metric.rpartition("_")
            if ending in ("sum", "count", "bucket") and self._types.get(stem) in (
                "histogram",
                "summary",
            ):
                return "counter"
            if ending == "total" and self._types.get(stem) == "counter":  # OpenMetrics' family
                return "counter"
            return None
        return known

    def matches(self, *sets: Sequence[Matcher]) -> int | None:
        """Return the number of series that satisfy any of some sets of matchers in that time; None
        without data."""
        if self._source is None:
            return None
        return self._source.series(sets, self._start_ms, self._end_ms).rows

    def label_names(self, matchers: Sequence[Matcher]) -> frozenset[str] | None:
        """Labels that matching series have; None without data."""
        if self._source is None:
            return None
        return frozenset(self._source.label_names([matchers], self._start_ms, self._end_ms))

    def label_values(self, name: str, matchers: Sequence[Matcher]) -> list[str] | None:
        """Values of a label among matching series; None without data."""
        if self._source is None:
            return None
        return self._source.label_values(name, [matchers], self._start_ms, self._end_ms)
