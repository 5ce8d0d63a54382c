"""The metrics, labels, series and times of some data, without a query."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from novaql.errors import ArgumentError, InputError, StorageUnavailable
from novaql.inputs.resolve import as_source
from novaql.options import time_window
from novaql.query_text import HasQueryText, QueryLike, query_text
from novaql.selectors import matcher_sets
from novaql.timeparse import TimeLike
from novaql.tsdb.errors import StoreError
from novaql.tsdb.index.cardinality import Cardinality
from novaql.tsdb.index.cardinality import cardinality as counted
from novaql.tsdb.model.labels import METRIC_NAME, SeriesTable
from novaql.tsdb.model.matchers import Matcher
from novaql.tsdb.model.source import FIRST_SAMPLE_MS, LAST_SAMPLE_MS, Bounded, Source

Match = QueryLike | Sequence[QueryLike]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def metrics(
    data: Any = None,
    *,
    match: Match = (),
    start: TimeLike | None = None,
    end: TimeLike | None = None,
) -> list[str]:
    """Return the names of the metrics, sorted.

    data        as for `query`
    match       selectors, as texts or expressions of `q`; only series that match one of them.
                Default: all series
    start, end  only series with samples in this range, both ends included

    Raises `InputError`, `QueryError` for a selector, `ArgumentError`, `StorageUnavailable`.
    """
    return label_values(METRIC_NAME, data, match=match, start=start, end=end)


def labels(
    data: Any = None,
    *,
    match: Match = (),
    start: TimeLike | None = None,
    end: TimeLike | None = None,
) -> list[str]:
    """Return the names of the labels, sorted. The arguments are those of `metrics`."""
    with _reading(data, match, start, end) as (source, sets, window):
        return source.label_names(sets, *window)


def label_values(
    name: str,
    data: Any = None,
    *,
    match: Match = (),
    start: TimeLike | None = None,
    end: TimeLike | None = None,
) -> list[str]:
    """Return the values of a label, sorted. The other arguments are those of `metrics`."""
    if not isinstance(name, str):
        raise ArgumentError("name", "is a text; the data comes behind it")
    with _reading(data, match, start, end) as (source, sets, window):
        return source.label_values(name, sets, *window)


def series(
    data: Any = None,
    *,
    match: Match = (),
    start: TimeLike | None = None,
    end: TimeLike | None = None,
) -> list[dict[str, str]]:
    """Return the labels of each series, sorted. The arguments are those of `metrics`."""
    return _table(data, match, start, end).dicts()


def cardinality(
    data: Any = None,
    *,
    match: Match = (),
    start: TimeLike | None = None,
    end: TimeLike | None = None,
    limit: int = 10,
) -> Cardinality:
    """Return the number of series, and the metrics and labels that have the most.

    limit  the most entries of each kind. The other arguments are those of `metrics`
    """
    if limit < 1:
        raise ArgumentError("limit", "must be greater than 0")
    return counted(_table(data, match, start, end), limit)


def time_range(data: Any = None) -> tuple[datetime, datetime] | None:
    """Return the times of the first and the last sample, in UTC; None if there are no samples.

    data  as for `query`. Of a database and of a directory of Prometheus the range may include
          deleted samples

    Raises `InputError` for a remote read, which has no request for it.
    """
    with _reading(data, (), None, None) as (source, _, _):
        if not isinstance(source, Bounded):
            raise InputError(
                f"{source!r} does not report its times: all of its samples would have to be "
                "read. Query a range instead, such as count(up) from start='-1d'"
            )
        found = source.time_range()
    if found is None:
        return None
    first, last = (min(max(ms, FIRST_SAMPLE_MS), LAST_SAMPLE_MS) for ms in found)
    return _EPOCH + timedelta(milliseconds=first), _EPOCH + timedelta(milliseconds=last)


def _table(data: Any, match: Match, start: TimeLike | None, end: TimeLike | None) -> SeriesTable:
    with _reading(data, match, start, end) as (source, sets, window):
        return source.series(sets, *window)


@contextmanager
def _reading(
    data: Any, match: Match, start: TimeLike | None, end: TimeLike | None
) -> Iterator[tuple[Source, list[list[Matcher]], tuple[int, int]]]:
    """The source, the matchers of each selector, and the range in milliseconds."""
    selectors = [match] if isinstance(match, str | HasQueryText) else match
    sets = matcher_sets([query_text(one) for one in selectors])
    window = time_window(start, end)
    source = as_source(data)
    try:
        yield source, sets, window
    except (OSError, StoreError) as failure:
        raise StorageUnavailable(f"reading the data failed: {failure}") from failure
